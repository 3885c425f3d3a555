"""The shapes of events, deliveries and dead letters, for the OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers

from deliveries.models import Attempt, Delivery, Event, Job
from subscriptions.ids import CALLER_ID

WINDOW = OpenApiParameter(
    "window", {"type": "string", "pattern": "^[1-9][0-9]{0,4}[mhd]$", "default": "24h"}, description="From 5m to 90d."
)
_STATUSES = Delivery.Status.values


def data_of(event: Event) -> Any:
    """Return an event's data as it is shown: its numbers are doubles that every JSON reader takes alike."""
    return json.loads(event.data)


@extend_schema_field({"type": "object", "additionalProperties": True})
class Data(serializers.JSONField):
    """An event's data: an object."""


@extend_schema_field(
    {"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}}
)
class Pairs(serializers.JSONField):
    """Headers as pairs, since a name may stand twice."""


class NewEvent(serializers.Serializer[Any]):
    """An event to publish."""

    event = serializers.CharField(max_length=100, help_text="A name of the catalogue.")
    data = Data()  # type: ignore[assignment]
    id = serializers.RegexField(
        rf"^{CALLER_ID.pattern}$", required=False, allow_null=True, help_text="Published twice, the second is dropped."
    )
    occurred_at = serializers.DateTimeField(required=False, allow_null=True)
    resource_id = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=200)


class NewBatch(serializers.Serializer[Any]):
    """Events to publish together."""

    events = NewEvent(many=True)


class PublishedDocument(serializers.Serializer[Any]):
    """The receipt of a published event."""

    id = serializers.CharField()
    event = serializers.CharField()
    deliveries = serializers.IntegerField(help_text="To how many webhooks it goes.")
    duplicate = serializers.BooleanField(help_text="True: this id was published before, and nothing was stored.")


class BatchDocument(serializers.Serializer[Any]):
    """The receipts, in the order of the request."""

    events = PublishedDocument(many=True)


class EventDocument(serializers.Serializer[Any]):
    """An event."""

    id = serializers.CharField()
    event = serializers.CharField()
    data = Data()  # type: ignore[assignment]
    resource_id = serializers.CharField(allow_blank=True)
    occurred_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class WhyDocument(serializers.Serializer[Any]):
    """What became of an event at one webhook, and why."""

    webhook = serializers.CharField()
    url = serializers.CharField()
    delivery = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[*_STATUSES, "not_subscribed"])
    reason = serializers.CharField(allow_blank=True)


class EventDetailDocument(EventDocument):
    """An event, with what became of it at each webhook."""

    webhooks = WhyDocument(many=True)


class DeliveryDocument(serializers.Serializer[Any]):
    """A delivery: one event on its way to one webhook."""

    id = serializers.CharField()
    event_id = serializers.CharField()
    event = serializers.CharField()
    resource_id = serializers.CharField(allow_blank=True)
    webhook = serializers.CharField()
    url = serializers.CharField()
    status = serializers.ChoiceField(choices=_STATUSES)
    reason = serializers.CharField(allow_blank=True)
    attempt_count = serializers.IntegerField()
    retry_count = serializers.IntegerField()
    replays = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_attempt_at = serializers.DateTimeField(allow_null=True)
    last_status_code = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField(allow_blank=True)
    response_ms = serializers.FloatField(allow_null=True)
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class AttemptDocument(serializers.Serializer[Any]):
    """One request and what came back."""

    id = serializers.CharField()
    number = serializers.IntegerField()
    result = serializers.ChoiceField(choices=Attempt.Result.values)
    started_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True, help_text="What happened, in a sentence.")
    decision = serializers.CharField(allow_blank=True, help_text="What follows from it, and why.")
    next_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()
    request_size = serializers.IntegerField()
    request_digest = serializers.CharField(allow_blank=True, help_text="SHA-256 of the body as sent, in hex.")
    response_size = serializers.IntegerField()
    response_truncated = serializers.BooleanField()
    lateness_ms = serializers.FloatField(allow_null=True)
    dns_ms = serializers.FloatField(allow_null=True)
    connect_ms = serializers.FloatField(allow_null=True)
    tls_ms = serializers.FloatField(allow_null=True)
    first_byte_ms = serializers.FloatField(allow_null=True)
    total_ms = serializers.FloatField(allow_null=True)
    remote_address = serializers.CharField(allow_blank=True)
    reused_connection = serializers.BooleanField()
    request_headers = Pairs()
    response_headers = Pairs()
    response_body = serializers.CharField(allow_blank=True, help_text="U+FFFD for bytes that aren't UTF-8.")
    response_body_base64 = serializers.CharField(allow_null=True, help_text="The bytes, when they aren't UTF-8.")


class DeliveryDetailDocument(DeliveryDocument):
    """A delivery with its event's data and its attempts."""

    data = Data()  # type: ignore[assignment]
    attempts = AttemptDocument(many=True)


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
    ids = serializers.ListField(child=serializers.CharField(), required=False, max_length=1000)
    event = serializers.CharField(required=False)
    webhook = serializers.CharField(required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    created_at_min = serializers.DateTimeField(required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    dry_run = serializers.BooleanField(required=False, help_text="True: only count.")


class DeliverySelection(_Selection):
    """Deliveries to send again."""

    status = serializers.CharField(required=False, help_text="As in the list; `dead` when it is left out.")
    search = serializers.CharField(required=False)
    updated_at_min = serializers.DateTimeField(required=False)


class DeadLetterSelection(_Selection):
    """Dead letters to decide; all of them without a filter."""

    error = serializers.CharField(required=False)


class JobDocument(serializers.Serializer[Any]):
    """A bulk request and its progress."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=Job.Kind.values)
    source = serializers.ChoiceField(choices=Job.Source.values)  # type: ignore[assignment]
    selection = Data(help_text="The filters as they were given.")
    note = serializers.CharField(allow_blank=True)
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


class UndeliveredDocument(DeliveryDocument):
    """A delivery that hasn't arrived, with its event's data."""

    occurred_at = serializers.DateTimeField()
    data = Data()  # type: ignore[assignment]


class SourceIpsDocument(serializers.Serializer[Any]):
    """Where deliveries come from."""

    source_ips = serializers.ListField(child=serializers.CharField())


class Figures(serializers.Serializer[Any]):
    """Attempts of a stretch of time; durations are milliseconds."""

    attempts = serializers.IntegerField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    dead = serializers.IntegerField()
    skipped = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True)
    average_ms = serializers.FloatField(allow_null=True)
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)
    p99_ms = serializers.FloatField(allow_null=True)


class Point(Figures):
    """A step of a time series."""

    at = serializers.DateTimeField()


class StatsDocument(Figures):
    """A window ending now."""

    window = serializers.CharField()
    series = Point(many=True)
