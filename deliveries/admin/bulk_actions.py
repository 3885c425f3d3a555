"""Deciding all that match: the page that counts first, and then hands the work to a job, the same as the API's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from deliveries.admin import labels
from deliveries.models import DeadLetter, Job
from deliveries.review import bulk_jobs, open_jobs, selection
from deliveries.sentences import counted
from subscriptions import desk
from subscriptions.acting import name_of
from subscriptions.admin.own_rows import CHOICES_MAX
from subscriptions.filters import WordField, says_nothing
from subscriptions.models import Merchant, Webhook

MERCHANTS_MAX = 20
"""Merchants whose dead letters one request may decide: each gets a job of its own."""
RATES = (
    ("0", "As fast as the webhook takes them"),
    ("5", "5 a second"),
    ("10", "10 a second"),
    ("50", "50 a second"),
)


NARROWING = ("webhook", "error", "status_code", "since", "before", "until")
"""Fields of the form that say which dead letters are meant."""


class MatchForm(forms.Form):
    """Which letters, and how."""

    webhook = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    error = WordField(required=False, what="error", words=selection.ERRORS)
    status_code = forms.IntegerField(required=False, min_value=100, max_value=599)
    since = forms.DateTimeField(required=False)
    before = forms.DateTimeField(required=False)
    until = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    note = forms.CharField(required=False, max_length=500)
    rate = forms.ChoiceField(choices=RATES, required=False)
    all = forms.BooleanField(required=False)


def page(admin: Any, request: HttpRequest, what: str) -> HttpResponse:
    """Show how many match (GET), or start the jobs that decide them and lead to their progress (POST).

    Nothing starts while a filter is blank or makes no sense (422), nor, without any filter, until "all" is checked.
    Raises Http404 for an unknown decision or webhook, PermissionDenied for viewers.
    """
    if what not in Job.Kind.values:
        raise Http404("All can be replayed or discarded.")
    if not admin.may(request, "change"):
        raise PermissionDenied
    given = request.POST or request.GET
    if blank := [name for name in NARROWING if any(map(says_nothing, given.getlist(name)))]:
        return _page(admin, request, what, status=422, blank=blank)
    form = MatchForm(given)
    if not form.is_valid():
        wrong = [(name, text) for name, texts in form.errors.items() for text in texts]
        return _page(admin, request, what, status=422, wrong=wrong)
    chosen = form.cleaned_data
    filters = _filters(admin.related(request, Webhook), chosen)
    waiting = _matching(admin, request, filters, chosen["until"])
    owners = list(waiting.order_by().values_list("merchant_id", flat=True).distinct()[: MERCHANTS_MAX + 1])
    is_unexplained = request.method == "POST" and what == Job.Kind.DISCARD and not chosen["note"].strip()
    is_unconfirmed = request.method == "POST" and not filters and not chosen["all"]
    if request.method == "POST" and owners and len(owners) <= MERCHANTS_MAX and not (is_unexplained or is_unconfirmed):
        started, refused = _start(request, what, owners, filters, chosen)
        if not started:
            status = 429 if isinstance(refused[0], open_jobs.TooManyJobs) else 409
            return _page(admin, request, what, status=status, refused=refused)
        return _follow(request, started, refused)
    newest = waiting.order_by("-pk").values_list("pk", flat=True).first() or 0
    return _page(
        admin,
        request,
        what,
        count=bulk_jobs.count(waiting, what),
        waiting=waiting.count(),
        chosen=_texts(chosen) | {"until": newest if chosen["until"] is None else chosen["until"]},
        offers=_offers(admin, request),
        narrowing=NARROWING,
        rates=RATES,
        examples=list(waiting.select_related("delivery", "webhook").order_by("pk")[:5]),
        is_all=not filters,
        is_unexplained=is_unexplained,
        is_unconfirmed=is_unconfirmed,
        merchants_max=MERCHANTS_MAX if len(owners) > MERCHANTS_MAX else None,
    )


def _page(admin: Any, request: HttpRequest, what: str, *, status: int = 200, **told: Any) -> HttpResponse:
    label = Job.Kind(what).label
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{label} all that match",
        "opts": admin.opts,
        "what": what,
        "label": label,
        "back": desk.reverse("webhooks_deliveries_deadletter_changelist"),
        **told,
    }
    return TemplateResponse(request, "desk/bulk.html", context, status=status)


def _filters(webhooks: QuerySet[Webhook], chosen: dict[str, Any]) -> dict[str, str]:
    """Return what the page was given as filters of `DeadLetterFilter`.

    Raises Http404 for a webhook that isn't among `webhooks`, those of the person: others' are answered as missing.
    """
    filters = {"error": chosen["error"], "status_code": str(chosen["status_code"] or "")}
    if chosen["webhook"] is not None:
        webhook = webhooks.values_list("public_id", flat=True).filter(pk=chosen["webhook"]).first()
        if webhook is None:
            raise Http404("No such webhook.")
        filters["webhook"] = webhook
    for name, word in (("since", "since"), ("before", "until")):
        filters[word] = chosen[name].astimezone(UTC).isoformat() if chosen[name] else ""
    return {name: value for name, value in filters.items() if value}


def since_url(moment: datetime) -> str:
    """Return the address of the page that replays what was given up from `moment` on, by the whole minute."""
    page = desk.reverse("webhooks_deliveries_deadletter_all", "replay")
    return f"{page}?{urlencode({'since': f'{moment.astimezone(UTC):%Y-%m-%dT%H:%M}'})}"


def ask_reason(admin: Any, request: HttpRequest, keys: list[int]) -> HttpResponse:
    """Return the page that asks why the selected dead letters are discarded, and posts the action again with it."""
    context = {
        **admin.admin_site.each_context(request),
        "title": "Discard the selected",
        "opts": admin.opts,
        "keys": keys,
        "is_unexplained": "note" in request.POST,
        "back": desk.reverse("webhooks_deliveries_deadletter_changelist"),
    }
    return TemplateResponse(request, "desk/discard.html", context)


def narrow(request: HttpRequest, what: str) -> HttpResponse:
    """Lead from the form that narrows the selection, which sends what was left open blank, to what it means."""
    chosen = {name: request.GET[name] for name in NARROWING if not says_nothing(request.GET.get(name, ""))}
    page = desk.reverse("webhooks_deliveries_deadletter_all", what)
    return HttpResponseRedirect(f"{page}?{urlencode(chosen)}" if chosen else page)


def _texts(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the form's values as its fields take them: moments as `2024-01-31T15:30`."""
    moments = {name: chosen[name] for name in ("since", "before") if chosen[name]}
    return chosen | {name: f"{value.astimezone(UTC):%Y-%m-%dT%H:%M}" for name, value in moments.items()}


def _offers(admin: Any, request: HttpRequest) -> dict[str, Any]:
    """Return what the selection may be narrowed to: webhooks and errors of what waits."""
    waiting = admin.changeable(request, admin.get_queryset(request)).filter(resolved_at=None).order_by()
    keys = list(waiting.values_list("webhook_id", flat=True).distinct()[:CHOICES_MAX])
    errors = sorted(waiting.values_list("error", flat=True).distinct()[:CHOICES_MAX])
    return {
        "webhooks": sorted(Webhook.objects.filter(pk__in=keys), key=str),
        "errors": [(error or selection.NO_ERROR, labels.error_title(error) or "No error") for error in errors],
    }


def _matching(admin: Any, request: HttpRequest, filters: dict[str, Any], until: int | None) -> QuerySet[DeadLetter]:
    """Return what the job would select, of all merchants for whom the person may decide."""
    rows = admin.changeable(request, admin.get_queryset(request))
    rows = selection.narrowed(rows, Job.Source.QUEUE, filters or {"all": True})
    # What died after the page was opened is not swept along.
    return rows if until is None else rows.filter(pk__lte=until)


def _start(
    request: HttpRequest, what: str, owners: list[int], filters: dict[str, Any], chosen: dict[str, Any]
) -> tuple[list[Job], list[open_jobs.JobRefused]]:
    """Start a job for each merchant; return those begun, and why others were not."""
    started, refused = [], []
    for merchant in Merchant.objects.filter(pk__in=owners).order_by("pk"):
        try:
            job = bulk_jobs.start(
                merchant,
                kind=what,
                source=Job.Source.QUEUE,
                chosen=filters or {"all": True},
                by=name_of(request),
                note=chosen["note"].strip(),
                rate=int(chosen["rate"] or 0),
                until=chosen["until"],
            )
            started.append(job)
        except open_jobs.JobRefused as error:
            refused.append(error)
    return started, refused


def _follow(request: HttpRequest, jobs: list[Job], refused: list[open_jobs.JobRefused]) -> HttpResponse:
    for error in refused:
        messages.warning(request, f"{error.jobs[0].merchant}: {error}")
    if len(jobs) == 1 and not refused:
        return HttpResponseRedirect(desk.reverse("webhooks_deliveries_job_change", jobs[0].pk))
    messages.success(request, f"Started for {counted(len(jobs), 'merchant')}; each has a line below.")
    return HttpResponseRedirect(desk.reverse("webhooks_deliveries_job_changelist"))
