"""Deciding all that match: the page that counts first, and then hands the work to a job, the same as the API's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from deliveries.models import DeadLetter, Job
from deliveries.review import bulk_jobs
from subscriptions.admin.scoping import name_of
from subscriptions.models import Merchant, Webhook

MERCHANTS_MAX = 20
"""Merchants whose letters one request may decide: each gets a job of its own."""
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
    """Show how many match (GET), or start the jobs that decide them and lead to their progress (POST).

    Raises Http404 for an unknown decision, PermissionDenied for viewers.
    """
    if what not in Job.Kind.values:
        raise Http404("All can be replayed or discarded.")
    if not admin.may(request, "change"):
        raise PermissionDenied
    form = MatchForm(request.POST or request.GET)
    if not form.is_valid():
        raise Http404("No such group.")
    chosen = form.cleaned_data
    waiting = _matching(admin, request, chosen)
    owners = list(waiting.order_by().values_list("merchant_id", flat=True).distinct()[: MERCHANTS_MAX + 1])
    is_unexplained = request.method == "POST" and what == Job.Kind.DISCARD and not chosen["note"].strip()
    if request.method == "POST" and owners and len(owners) <= MERCHANTS_MAX and not is_unexplained:
        return _follow(request, _start(request, what, owners, chosen))
    newest = waiting.order_by("-pk").values_list("pk", flat=True).first() or 0
    label = Job.Kind(what).label
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{label} all that match",
        "opts": admin.opts,
        "what": what,
        "label": label,
        "count": bulk_jobs.count(waiting, what),
        "waiting": waiting.count(),
        "chosen": chosen | {"until": newest if chosen["until"] is None else chosen["until"]},
        "rates": RATES,
        "examples": list(waiting.select_related("delivery", "webhook").order_by("pk")[:5]),
        "back": reverse("admin:webhooks_deliveries_deadletter_changelist"),
        "is_unexplained": is_unexplained,
        "merchants_max": MERCHANTS_MAX if len(owners) > MERCHANTS_MAX else None,
    }
    return TemplateResponse(request, "desk/bulk.html", context)


def _matching(admin: Any, request: HttpRequest, chosen: dict[str, Any]) -> QuerySet[DeadLetter]:
    rows = admin.changeable(request, admin.get_queryset(request)).filter(resolved_at=None)
    conditions = {
        "webhook_id": chosen["webhook"],
        "error": chosen["error"] or None,
        "status_code": chosen["status_code"],
        "pk__lte": chosen["until"],  # what died after the page was opened is not swept along
    }
    return rows.filter(**{name: value for name, value in conditions.items() if value is not None})


def _start(request: HttpRequest, what: str, owners: list[int], chosen: dict[str, Any]) -> list[Job]:
    webhook = chosen["webhook"] and Webhook.objects.values_list("public_id", flat=True).get(pk=chosen["webhook"])
    status = str(chosen["status_code"] or "")
    filters = {"webhook": webhook, "error": chosen["error"], "status_code": status}
    return [
        bulk_jobs.start(
            merchant,
            kind=what,
            source=Job.Source.QUEUE,
            chosen={name: value for name, value in filters.items() if value},
            by=name_of(request),
            note=chosen["note"].strip(),
            rate=int(chosen["rate"] or 0),
            until=chosen["until"],
        )
        for merchant in Merchant.objects.filter(pk__in=owners).order_by("pk")
    ]


def _follow(request: HttpRequest, jobs: list[Job]) -> HttpResponse:
    if len(jobs) == 1:
        return HttpResponseRedirect(reverse("admin:webhooks_deliveries_job_change", args=[jobs[0].pk]))
    messages.success(request, f"Started for {len(jobs)} merchants; each has a line below.")
    return HttpResponseRedirect(reverse("admin:webhooks_deliveries_job_changelist"))
