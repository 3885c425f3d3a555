"""The shapes of the review queue and of bulk requests."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from deliveries.api.documents.fields import Data
from deliveries.api.filters import STATUSES
from deliveries.models import Job
from deliveries.review.selection import CodeField


class DeadLetterDocument(serializers.Serializer[Any]):
    """A delivery that ran out of attempts and waits for a decision. Its id is the delivery's."""

    id = serializers.CharField()
    event_id = serializers.CharField()
    event = serializers.CharField()
    resource_id = serializers.CharField(allow_blank=True)
    webhook = serializers.CharField()
    url = serializers.CharField()
    reason = serializers.CharField()
    error = serializers.CharField(allow_blank=True)
    status_code = serializers.IntegerField(allow_null=True)
    attempt_count = serializers.IntegerField()
    replays = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    note = serializers.CharField(allow_blank=True)


class Note(serializers.Serializer[Any]):
    """A word for the record."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class _Selection(serializers.Serializer[Any]):
    ids = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False, max_length=1000)
    event = serializers.CharField(required=False)
    webhook = serializers.CharField(required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    created_at_min = serializers.DateTimeField(required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    dry_run = serializers.BooleanField(required=False, help_text="True: only count.")


class DeliverySelection(_Selection):
    """Deliveries to send again."""

    status = serializers.ListField(
        child=serializers.ChoiceField(choices=list(STATUSES)),
        required=False,
        help_text="Or one text with commas, as in the list's query; `dead` when it is left out.",
    )
    search = serializers.CharField(required=False)
    updated_at_min = serializers.DateTimeField(required=False)


class DeadLetterSelection(_Selection):
    """Dead letters to decide; all of them without a filter."""

    error = serializers.CharField(required=False)
    status_code = serializers.RegexField(CodeField.PATTERN, required=False, help_text="The last answer's, as text.")


class JobDocument(serializers.Serializer[Any]):
    """A bulk request and its progress."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=Job.Kind.values)
    source = serializers.ChoiceField(choices=Job.Source.values)  # type: ignore[assignment]
    selection = Data(help_text="The filters as they were given.")
    note = serializers.CharField(allow_blank=True)
    rate = serializers.IntegerField(help_text="Rows a second; 0 is as fast as it goes.")
    by = serializers.CharField(help_text="Who asked for it.")
    status = serializers.ChoiceField(choices=Job.Status.values)
    total = serializers.IntegerField(help_text="Rows selected when the request came.")
    done = serializers.IntegerField(help_text="Rows changed so far.")
    error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class BulkDocument(serializers.Serializer[Any]):
    """How many rows were changed, will be (202), or would be (dry_run)."""

    count = serializers.IntegerField()
    dry_run = serializers.BooleanField()
    job = JobDocument(allow_null=True)
