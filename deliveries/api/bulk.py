"""Bulk requests over the API: replay and discard many at once, selected by the filters of the lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django_filters import FilterSet  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.dead_letters import NOTE_MAX
from deliveries.api.jobs import JobSerializer
from deliveries.models import Job
from deliveries.review import bulk_jobs, selection
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe, members_of
from subscriptions.api.formats import SAYS_SOMETHING
from subscriptions.api.serializers import EXAMPLE_MOMENT, ApiSerializer, Flag, Text, eg

_OK_OR_ACCEPTED: Final = (200, 202)


@extend_schema_field(
    {"type": "array", "items": {"type": "string"}, "contains": {"type": "string", "pattern": SAYS_SOMETHING}}
)
class Ids(serializers.ListField):
    """Ids, of which at least one isn't blank."""


class SelectionSerializer(ApiSerializer):
    """Which rows are meant: the filters of the list (`filterset`), `ids` or `all`, which `selection.rows` checks."""

    filterset: ClassVar[type[FilterSet]]

    ids = Ids(required=False, max_length=selection.IDS_MAX, min_length=1, help_text="Ids of deliveries.")
    all = Flag(required=False, help_text="True, where no filter and no ids are given: all that waits for review.")
    note = Text(max_length=NOTE_MAX, default="", allow_blank=True, help_text="Why, for the record.")
    dry_run = Flag(default=False, help_text="True: only count.")

    def get_fields(self) -> dict[str, Any]:
        """Return these members, and one for each filter of the list."""
        return members_of(self.filterset) | super().get_fields()

    def alternatives(self) -> list[dict[str, Any]]:
        """Return what a request must hold, as schemas: a filter or ids, or else `all`: true."""
        filters = [{"required": [name]} for name in [*self.filterset.base_filters, "ids"]]
        return [*filters, {"required": ["all"], "properties": {"all": {"const": True}}}]


class DeliverySelectionSerializer(SelectionSerializer):
    """Deliveries to send again."""

    filterset = selection.DeliveryFilter

    status = serializers.ListField(
        child=serializers.ChoiceField(choices=list(selection.STATUSES)),
        required=False,
        min_length=1,
        help_text="Or one text with commas, as in the list's query; `dead` when it is left out.",
    )


class DeadLetterSelectionSerializer(SelectionSerializer):
    """Dead letters to decide."""

    filterset = selection.DeadLetterFilter

    status_code = serializers.RegexField(
        selection.CodeField.PATTERN, required=False, help_text="The last answer's, as text."
    )


class BulkSerializer(ApiSerializer):
    """How many rows were changed, will be (202), or would be (dry_run)."""

    count = eg(serializers.IntegerField(), 12)
    dry_run = serializers.BooleanField()
    job = JobSerializer(allow_null=True)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a bulk request answers."""

    count: int
    dry_run: bool
    job: Job | None


class DeliveryReplay(ApiView):
    """Replays from the log."""

    @describe(
        "Replay deliveries",
        body=DeliverySelectionSerializer,
        answer=BulkSerializer,
        codes=_OK_OR_ACCEPTED,
        sent={"status": ["dead"], "since": EXAMPLE_MOMENT},
    )
    def post(self, request: Request) -> Response:
        """Send again the deliveries of the log that the filters select; without `status` or `ids`, what is in review.

        Give at least one filter or `ids`, or `all`: true for all that is in review. `status`: `undelivered` also sends
        what was skipped, cancelled or discarded.
        Only closed deliveries are sent again: those still open, those of disabled or deleted webhooks and those
        whose data was expunged are left out. `dry_run` only counts. Up to 200 rows are changed before the
        answer (200); larger selections are answered with 202 and a job that goes on: read it for its progress.
        What fails again meanwhile is not selected twice. 409 (`same_job`) while a job that does the same is open, 429
        (`too_many_jobs`) while 10 jobs are; both name them. 422 names each filter that makes no sense, a blank
        one included, and `all` where nothing is given.
        """
        return _carry_out(self, Job.Kind.REPLAY, Job.Source.LOG, DeliverySelectionSerializer)


class DeadLettersReplay(ApiView):
    """Second chances by the hundred."""

    @describe(
        "Replay dead letters",
        body=DeadLetterSelectionSerializer,
        answer=BulkSerializer,
        codes=_OK_OR_ACCEPTED,
        sent={"webhook": "wbh_01HA4XCG60CT4G3EWF4CKYM1MF", "note": "The endpoint is fixed."},
    )
    def post(self, request: Request) -> Response:
        """Send again the dead letters that the filters select; the whole review queue with `all`: true.

        Give at least one filter or `ids`, or `all`. Those of disabled or deleted webhooks are left out. `dry_run` only
        counts. Up to 200 rows are changed before the answer (200); larger selections are answered with 202 and a job
        that goes on. 409 (`same_job`) while a job that does the same is open, 429 (`too_many_jobs`) while 10 jobs are;
        both name them. 422 names each filter that makes no sense, a blank one included, and `all` where nothing is
        given.
        """
        return _carry_out(self, Job.Kind.REPLAY, Job.Source.QUEUE, DeadLetterSelectionSerializer)


class DeadLettersDiscard(ApiView):
    """Closing by the hundred."""

    @describe(
        "Discard dead letters",
        body=DeadLetterSelectionSerializer,
        answer=BulkSerializer,
        codes=_OK_OR_ACCEPTED,
        sent={"event": "order.created", "dry_run": True},
        shown={"dry_run": True, "job": None},
    )
    def post(self, request: Request) -> Response:
        """Close for good the dead letters that the filters select; the whole review queue with `all`: true.

        Give at least one filter or `ids`, or `all`. They are not sent again unless somebody retries them from the log.
        `dry_run` only counts. Up to 200 rows are changed before the answer (200); larger selections are answered with
        202 and a job that goes on. 409 (`same_job`) while a job that does the same is open, 429 (`too_many_jobs`)
        while 10 jobs are; both name them. 422 names each filter that makes no sense, a blank one included, and `all`
        where nothing is given.
        """
        return _carry_out(self, Job.Kind.DISCARD, Job.Source.QUEUE, DeadLetterSelectionSerializer)


def _carry_out(view: ApiView, kind: Job.Kind, source: Job.Source, shape: type[SelectionSerializer]) -> Response:
    chosen = view.body(shape)
    dry_run, note = chosen.pop("dry_run"), chosen.pop("note")
    if dry_run:
        count = bulk_jobs.count(selection.rows(view.merchant, source, chosen), kind)
        return Response(BulkSerializer(Carried(count, dry_run=True, job=None)).data)
    job = bulk_jobs.start(view.merchant, kind=kind, source=source, chosen=chosen, by=view.credential.by, note=note)
    finished = job.status == Job.Status.DONE
    carried = Carried(job.done if finished else job.total, dry_run=False, job=job)
    return Response(BulkSerializer(carried).data, status.HTTP_200_OK if finished else status.HTTP_202_ACCEPTED)
