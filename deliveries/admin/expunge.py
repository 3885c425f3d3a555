"""Taking one event's payload out on request: the page that says what goes and asks why, then does it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from deliveries.maintenance import expunging
from deliveries.models import Attempt, Delivery, Event, ExpungedPayload
from deliveries.review import manual_actions
from deliveries.sentences import counted
from subscriptions import desk
from subscriptions.acting import name_of

NOTE_MAX = 500


class ReasonForm(forms.Form):
    """Why it goes, for the record."""

    note = forms.CharField(max_length=NOTE_MAX, required=True)


def page(admin: Any, request: HttpRequest, event: Event) -> HttpResponse:
    """Show what would go (GET), or take it out (POST). Raises PermissionDenied for whoever is neither owner nor staff.

    Args:
        admin: The events' admin, which says who `may` "expunge".
        request: By whom.
        event: One of the person's own.
    """
    if not admin.may(request, "expunge", event):
        raise PermissionDenied
    form = ReasonForm(request.POST if request.method == "POST" else None)
    back = desk.reverse("webhooks_deliveries_event_change", event.pk)
    if form.is_valid():
        try:
            trace = expunging.expunge(event, by=name_of(request), note=form.cleaned_data["note"])
        except manual_actions.StateConflict as error:
            messages.error(request, str(error))
        else:
            bodies = counted(trace.attempts, "attempt")
            messages.success(request, f"Expunged, with the bodies of {bodies}. The trace stays.")
        return HttpResponseRedirect(back)
    deliveries = Delivery.objects.filter(event=event)
    context = {
        **admin.admin_site.each_context(request),
        "title": "Expunge the payload",
        "opts": admin.opts,
        "event": event,
        "form": form,
        "note_max": NOTE_MAX,
        "attempts": Attempt.objects.filter(delivery__in=deliveries).count(),
        "open": deliveries.filter(due_at__isnull=False).count(),
        "in_review": deliveries.filter(status=Delivery.Status.DEAD).count(),
        "back": back,
    }
    return TemplateResponse(request, "desk/expunge.html", context)


def traces(event: Event) -> list[ExpungedPayload]:
    """Return who expunged the event and when, the newest first."""
    return list(
        ExpungedPayload.objects.filter(merchant_id=event.merchant_id, event_id=event.public_id).order_by("-pk")[:20]
    )
