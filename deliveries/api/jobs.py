"""Jobs over the API: bulk requests and how far they are."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.models import Job
from deliveries.review import job_control, job_turns
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import EXAMPLE_LATER, ApiSerializer, eg


class JobSerializer(ApiSerializer):
    """A bulk request and its progress."""

    id = eg(serializers.CharField(source="public_id"), "job_01HA4XCG7D4F6H8K0M2P4R6T8V")
    kind = eg(serializers.ChoiceField(choices=Job.Kind.values), "replay")
    source = eg(serializers.ChoiceField(choices=Job.Source.values), "dead-letters")  # type: ignore[assignment]
    selection = eg(
        serializers.DictField(help_text="The filters as they were given."),
        {"webhook": "wbh_01HA4XCG60CT4G3EWF4CKYM1MF"},
    )
    note = eg(serializers.CharField(allow_blank=True), "The endpoint is fixed.")
    rate = eg(serializers.IntegerField(help_text="Rows a second; 0 is as fast as it goes."), 0)
    by = eg(serializers.CharField(help_text="Who asked for it."), "API key ak_live_3hWq9ZpT…")
    status = eg(serializers.ChoiceField(choices=Job.Status.values), "done")
    total = eg(serializers.IntegerField(help_text="Rows selected when the request came."), 12)
    done = eg(serializers.IntegerField(help_text="Rows changed so far."), 12)
    error = serializers.CharField(allow_blank=True, help_text="Why it broke off; empty unless it did.")
    created_at = eg(serializers.DateTimeField(), EXAMPLE_LATER)
    updated_at = eg(serializers.DateTimeField(), EXAMPLE_LATER)
    finished_at = eg(serializers.DateTimeField(allow_null=True), EXAMPLE_LATER)


class JobList(ApiView):
    """Bulk requests."""

    query = PARAMETERS

    @describe("List jobs", answer=JobSerializer, pages=True)
    def get(self, request: Request) -> Response:
        """Return the merchant's bulk requests in pages, the newest first, whether made here or in the admin."""
        return self.pages(Job.objects.filter(merchant=self.merchant), JobSerializer)


class JobDetail(ApiView):
    """One bulk request."""

    @describe("Read a job", answer=JobSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return a bulk request with its progress: ask again until `finished_at` is set.

        A job that has made no progress for a minute is taken up again when it is read.
        """
        rows = Job.objects.filter(merchant=self.merchant)
        job = lookups.one(rows, id)
        job_turns.call_stalled(rows.filter(pk=job.pk))
        return self.answer(JobSerializer(job).data)


class JobStop(ApiView):
    """The end of a bulk request that still runs."""

    @describe("Stop a job", answer=JobSerializer, etag=True, shown={"status": "stopped", "done": 5})
    def post(self, request: Request, id: str) -> Response:
        """Stop a bulk request before its next step; what it has changed stays so.

        Stopping a job that has ended changes nothing: the answer says how it ended. With If-Match, only while it is as
        it was read: else 412.
        """
        self.body()
        rows = Job.objects.filter(merchant=self.merchant)
        with self.as_read(rows, id, lambda row: JobSerializer(row).data) as job:
            job_control.stop(job)
        job.refresh_from_db()
        return Response(JobSerializer(job).data)
