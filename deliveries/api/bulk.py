"""Replaying and discarding many at once, by the filters of the lists."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents, jobs
from deliveries.api.dead_letters import NOTE_MAX
from deliveries.models import Job
from deliveries.review import bulk_jobs, selection
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe

_ANSWERS: dict[int, Any] = {200: documents.BulkDocument, 202: documents.BulkDocument}


class DeliveryReplay(ApiView):
    """Replays from the log."""

    @describe("Replay deliveries", request=documents.DeliverySelection, responses=_ANSWERS)
    def post(self, request: Request) -> Response:
        """Send again what the filters select; without `status` or `ids`, what waits for review.

        `dry_run` only counts. Large selections are answered with 202 and a job that goes on.
        """
        return _carry_out(self, Job.Kind.REPLAY, Job.Source.LOG)


class DeadLettersReplay(ApiView):
    """Second chances by the hundred."""

    @describe("Replay dead letters", request=documents.DeadLetterSelection, responses=_ANSWERS)
    def post(self, request: Request) -> Response:
        """Send again what the filters select of the review queue; without any, all of it."""
        return _carry_out(self, Job.Kind.REPLAY, Job.Source.QUEUE)


class DeadLettersDiscard(ApiView):
    """Closing by the hundred."""

    @describe("Discard dead letters", request=documents.DeadLetterSelection, responses=_ANSWERS)
    def post(self, request: Request) -> Response:
        """Close for good what the filters select of the review queue; without any, all of it."""
        return _carry_out(self, Job.Kind.DISCARD, Job.Source.QUEUE)


def _carry_out(view: ApiView, kind: Job.Kind, source: Job.Source) -> Response:
    choosing = selection.members(source)
    body = lookups.members(view.request.data, known={*choosing, "note", "dry_run"})
    dry_run = lookups.flag(body, "dry_run")
    note = lookups.text(body, "note", limit=NOTE_MAX)
    chosen = {name: value for name, value in body.items() if name in choosing}
    if dry_run:
        count = bulk_jobs.count(selection.rows(view.merchant, source, chosen), kind)
        return Response({"count": count, "dry_run": True, "job": None})
    job = bulk_jobs.start(view.merchant, kind=kind, source=source, chosen=chosen, by=view.credential.by, note=note)
    finished = job.status == Job.Status.DONE
    count = job.done if finished else job.total
    code = status.HTTP_200_OK if finished else status.HTTP_202_ACCEPTED
    return Response({"count": count, "dry_run": False, "job": jobs.represent(job)}, code)
