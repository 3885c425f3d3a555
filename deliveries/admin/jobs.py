"""Bulk jobs, started here or over the API: how far each is, and who asked. They go on when the page is closed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from unfold.decorators import display

from deliveries.admin import labels
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import Job
from deliveries.review import bulk_jobs
from subscriptions import desk
from subscriptions.admin import local_times
from subscriptions.admin.scoping import OwnRowsFilter
from subscriptions.models import Webhook

DONE_WORDS = {Job.Kind.REPLAY: "on their way", Job.Kind.DISCARD: "discarded"}
OVER = (Job.Status.DONE, Job.Status.FAILED)


@desk.register(Job)
class JobAdmin(CursorAdmin):
    """Replays and discards of many deliveries."""

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
            "queue": desk.reverse("webhooks_deliveries_deadletter_changelist"),
        }
        return TemplateResponse(request, "desk/job.html", context)

    def look(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Return how far it is as JSON; one that has stalled is taken up again."""
        job = self.get_object(request, object_id)
        bulk_jobs.wake_stalled(Job.objects.filter(pk=job.pk))
        return JsonResponse(standing(job))

    @display(description="Started")
    def when(self, row: Job) -> str:
        """Return when it was asked for."""
        return local_times.moment(row.created_at)

    @display(description="What")
    def what(self, row: Job) -> str:
        """Return what it does to which rows."""
        return f"{row.get_kind_display()}: {row.get_source_display().lower()}"

    @display(description="State", label={"done": "success", "failed": "danger", "running": "info", "queued": "warning"})
    def state(self, row: Job) -> tuple[str, str]:
        """Return where it stands."""
        now = standing(row)
        return ("running" if now["state"] == "Running" else row.status), now["state"]

    @display(description="Progress")
    def progress(self, row: Job) -> str:
        """Return a bar with the count."""
        bar = '<progress max="{}" value="{}" aria-label="Progress"></progress> {} of {}'
        return format_html(bar, max(1, row.total), row.done, row.done, row.total)


def standing(job: Job) -> dict[str, Any]:
    """Return how far a job is: numbers, the state in a word and what there is to say in a sentence."""
    word, left = DONE_WORDS[Job.Kind(job.kind)], job.total - job.done
    # Between the steps of a job with a rate it is queued for the next one.
    state = Job.Status.RUNNING.label if job.status == Job.Status.QUEUED and job.position else job.get_status_display()
    if job.status == Job.Status.FAILED:
        told = f"{job.done:,} {word}, then: {job.error}"
    elif job.status == Job.Status.DONE:
        rest = f" {left:,} could not be: decided meanwhile, or their webhook is off." if left > 0 else ""
        told = f"Done: {job.done:,} {word}.{rest}"
    elif job.position:
        told = f"{job.done:,} of {job.total:,} {word}."
    else:
        told = "It waits for a worker, which takes it up in a moment."
    return {"done": job.done, "total": job.total, "state": state, "told": told, "is_over": job.status in OVER}


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
