"""Deciding all that match: the page that counts first, and then replays or discards in batches the browser asks for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from deliveries import review
from deliveries.models import DeadLetter
from subscriptions.admin.scoping import name_of

BATCH_MAX = 500
"""Letters decided in one request."""
WORDS = {"replay": ("Replay", review.replay_all), "discard": ("Discard", review.discard_all)}
RATES = (("0", "As fast as the webhook takes them"), ("10", "10 a second"), ("50", "50 a second"))


class MatchForm(forms.Form):
    """Which letters, and how."""

    webhook = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    error = forms.CharField(required=False, max_length=30)
    status_code = forms.IntegerField(required=False, min_value=100, max_value=599)
    until = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    note = forms.CharField(required=False, max_length=500)
    rate = forms.ChoiceField(choices=RATES, required=False)


def page(admin: Any, request: HttpRequest, what: str) -> HttpResponse:
    """Show how many match (GET), or decide the next batch of them and say how many are left (POST, JSON).

    Raises Http404 for an unknown decision, PermissionDenied for viewers.
    """
    if what not in WORDS:
        raise Http404("All can be replayed or discarded.")
    if not admin.may(request, "change"):
        raise PermissionDenied
    form = MatchForm(request.POST or request.GET)
    if not form.is_valid():
        raise Http404("No such group.")
    chosen = form.cleaned_data
    waiting = _matching(admin, request, chosen)
    if request.method == "POST":
        return _next_batch(request, what, waiting, chosen)
    newest = waiting.order_by("-pk").values_list("pk", flat=True).first() or 0
    label, decide = WORDS[what]
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{label} all that match",
        "opts": admin.opts,
        "what": what,
        "label": label,
        "count": decide(waiting, by="", dry_run=True),
        "waiting": waiting.count(),
        "chosen": chosen | {"until": newest},
        "rates": RATES,
        "examples": list(waiting.select_related("delivery", "webhook").order_by("pk")[:5]),
        "back": reverse("admin:deliveries_deadletter_changelist"),
    }
    return TemplateResponse(request, "desk/bulk.html", context)


def _matching(admin: Any, request: HttpRequest, chosen: dict[str, Any]) -> QuerySet[DeadLetter]:
    rows = admin.changeable(request, admin.get_queryset(request)).filter(resolved_at=None)
    conditions = {
        "webhook_id": chosen["webhook"],
        "error": chosen["error"] or None,
        "status_code": chosen["status_code"],
        "pk__lte": chosen["until"],  # what dies while the bulk runs is not swept along
    }
    return rows.filter(**{name: value for name, value in conditions.items() if value is not None})


def _next_batch(request: HttpRequest, what: str, waiting: QuerySet[DeadLetter], chosen: dict[str, Any]) -> JsonResponse:
    rate = int(chosen["rate"] or 0)
    size = min(rate, BATCH_MAX) or BATCH_MAX
    after = int(request.POST.get("after") or 0)
    keys = list(waiting.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size])
    _label, decide = WORDS[what]
    done = decide(DeadLetter.objects.filter(pk__in=keys), by=name_of(request), note=chosen["note"]) if keys else 0
    return JsonResponse(
        {"done": done, "passed": len(keys), "after": keys[-1] if keys else after, "finished": len(keys) < size}
    )
