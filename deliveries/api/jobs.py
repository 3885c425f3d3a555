"""Jobs as a resource: how far a bulk request is."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents
from deliveries.models import Job
from deliveries.review import bulk_jobs
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS

_PLAIN = (
    "kind",
    "source",
    "selection",
    "note",
    "rate",
    "by",
    "status",
    "total",
    "done",
    "error",
    "created_at",
    "updated_at",
    "finished_at",
)


def represent(job: Job) -> dict[str, Any]:
    """Return a job as the API shows it."""
    return {"id": job.public_id, **{name: getattr(job, name) for name in _PLAIN}}


class JobList(ApiView):
    """Bulk requests."""

    query = PARAMETERS

    @describe("List jobs", responses={200: documents.JobDocument(many=True)}, pages=True)
    def get(self, request: Request) -> Response:
        """Return a page, the newest first."""
        return self.pages(Job.objects.filter(merchant=self.merchant), represent)


class JobDetail(ApiView):
    """One bulk request."""

    @describe("Read a job", responses={200: documents.JobDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it with its progress; one that has stalled is taken up again."""
        rows = Job.objects.filter(merchant=self.merchant)
        job = lookups.one(rows, id)
        bulk_jobs.wake_stalled(rows.filter(pk=job.pk))
        return self.answer(represent(job))
