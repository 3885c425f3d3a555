"""Bulk jobs, started here or over the API: how far each is, and who asked. They go on when the page is closed."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from unfold.decorators import display

from deliveries.admin import labels
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import Job
from deliveries.review import job_control, job_turns
from subscriptions import desk
from subscriptions.admin import local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER
from subscriptions.models import Webhook

DONE_WORDS = {Job.Kind.REPLAY: "on their way", Job.Kind.DISCARD: "discarded"}
OVER = (Job.Status.DONE, Job.Status.FAILED, Job.Status.STOPPED)
RATES = ((0, "As fast as the webhook takes them"), (5, "5 a second"), (10, "10 a second"), (50, "50 a second"))


@desk.register(Job)
class JobAdmin(WithRowActions, CursorAdmin):
    """Replays and discards of many deliveries."""

    needs = {"change": DEVELOPER}
    list_display = ["when", "what", "state", "progress", "by", "note", "merchant"]
    list_select_related = ["merchant"]
    list_filter = [("merchant", OwnRowsFilter)]

    def get_urls(self) -> list[URLPattern]:
        """Add what the job's page asks for while it runs."""
        view = self.admin_site.admin_view(self.look)
        return [path("<path:object_id>/look/", view, name="webhooks_deliveries_job_look"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        """Show how far it is."""
        job = self.get_object(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{job.get_kind_display()} of many",
            "opts": self.opts,
            "job": job,
            "now": standing(job),
            "selected": selected(job),
            "results_max": f"{job_control.RESULTS_MAX:,}",
            "may_steer": self.may(request, "change", job),
            "stop_url": self.row_action_url("stop", job),
            "rate_url": self.row_action_url("change_rate", job),
            "rates": RATES if job.rate in dict(RATES) else (*RATES, (job.rate, f"{job.rate} a second")),
            "queue": desk.reverse("webhooks_deliveries_deadletter_changelist"),
        }
        return TemplateResponse(request, "desk/job.html", context)

    def look(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Return how far it is as JSON; one that has stalled is taken up again."""
        job = self.get_object(request, object_id)
        job_turns.call_stalled(Job.objects.filter(pk=job.pk))
        return JsonResponse(standing(job))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A job is steered by its buttons, not edited."""
        return False

    # --- row actions --------------------------------------------------------------------------------------------------

    @row_action("Stop", icon="stop", when=lambda job: job.status not in OVER)
    def stop(self, request: HttpRequest, job: Job) -> str:
        """End it before its next step."""
        return "Stopped. What it has done stays done." if job_control.stop(job) else "It had ended already."

    @row_action("Change the rate", icon="speed", when=lambda _job: False)  # its form stands on the page
    def change_rate(self, request: HttpRequest, job: Job) -> str:
        """Let it go faster or slower from its next step on. Raises ValidationError for what is no rate."""
        given = request.POST.get("rate", "")
        if not (given.isdecimal() and len(given) < 6 and int(given) <= job_control.RATE_MAX):
            raise ValidationError(f"Give a rate from 0 to {job_control.RATE_MAX:,} a second.")
        return "The rate is changed." if job_control.set_rate(job, int(given)) else "It had ended already."

    @display(description="Started")
    def when(self, row: Job) -> str:
        """Return when it was asked for."""
        return local_times.moment(row.created_at)

    @display(description="What")
    def what(self, row: Job) -> str:
        """Return what it does to which rows."""
        return f"{row.get_kind_display()}: {row.get_source_display().lower()}"

    @display(
        description="State",
        label={"done": "success", "failed": "danger", "stopped": "default", "running": "info", "queued": "warning"},
    )
    def state(self, row: Job) -> tuple[str, str]:
        """Return where it stands."""
        word = _state(row)
        return ("running" if word == "Running" else row.status), word

    @display(description="Progress")
    def progress(self, row: Job) -> str:
        """Return a bar with the count."""
        bar = '<progress max="{}" value="{}" aria-label="Progress"></progress> {} of {}'
        return format_html(bar, max(1, row.total), row.done, row.done, row.total)


def _state(job: Job) -> str:
    """Return the state in a word. Between the steps of a job with a rate it is queued for the next one."""
    return Job.Status.RUNNING.label if job.status == Job.Status.QUEUED and job.position else job.get_status_display()


def standing(job: Job) -> dict[str, Any]:
    """Return how far a job is: numbers, the state in a word, a sentence, and what came of its replays."""
    word, left = DONE_WORDS[Job.Kind(job.kind)], job.total - job.done
    if job.status == Job.Status.FAILED:
        told = f"{job.done:,} {word}, then: {job.error}"
    elif job.status == Job.Status.STOPPED:
        told = f"Stopped: {job.done:,} {word}, the other {max(0, left):,} were left as they are."
    elif job.status == Job.Status.DONE:
        rest = f" {left:,} could not be: decided meanwhile, or their webhook is off." if left > 0 else ""
        told = f"Done: {job.done:,} {word}.{rest}"
    elif job.position:
        told = f"{job.done:,} of {job.total:,} {word}."
    else:
        told = "It waits for a worker, which takes it up in a moment."
    came = job_control.results(job) if job.kind == Job.Kind.REPLAY else job_control.Results()
    return {
        "done": job.done,
        "total": job.total,
        "state": _state(job),
        "told": told,
        "is_over": job.status in OVER,
        "is_settled": job.status in OVER and not came.waiting,
        "results": {"arrived": came.arrived, "failed": came.failed, "waiting": came.waiting, "others": came.others},
        "has_results": bool(came.counted),
        "is_cut": came.counted >= job_control.RESULTS_MAX,
    }


def selected(job: Job) -> list[tuple[str, str]]:
    """Return in words what a job selects: (what, which)."""
    found = []
    for name, value in job.selection.items():
        if name == "all":
            continue
        if name == "webhook":
            webhook = Webhook.objects.filter(merchant_id=job.merchant_id, public_id=value).first()
            found.append(("Webhook", str(webhook or value)))
        elif name == "error":
            found.append(("Error", labels.error_title(str(value))))
        elif name == "ids":
            found.append(("Deliveries", f"{len(value)} named by id"))
        else:
            title = {"status_code": "HTTP status"}.get(name, name.replace("_", " ").capitalize())
            found.append((title, ", ".join(value) if isinstance(value, list) else str(value)))
    return found or [("Which", "All of the review queue" if job.source == Job.Source.QUEUE else "All in review")]
