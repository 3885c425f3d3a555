"""The shapes of events, deliveries and attempts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from deliveries.api.documents.fields import Data, Pairs
from deliveries.models import Attempt, Delivery
from deliveries.reporting.explanations import NOT_SENT, NOT_SUBSCRIBED
from subscriptions.api.formats import EventName
from subscriptions.ids import CALLER_ID

_STATUSES = Delivery.Status.values


class NewEvent(serializers.Serializer[Any]):
    """An event to publish."""

    event = EventName(help_text="A name of the catalogue.")
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
    data = Data(allow_null=True, help_text="Null: it was expunged.")  # type: ignore[assignment]
    resource_id = serializers.CharField(allow_blank=True)
    occurred_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class WhyDocument(serializers.Serializer[Any]):
    """What became of an event at one webhook, and why."""

    webhook = serializers.CharField()
    url = serializers.CharField()
    delivery = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[*_STATUSES, NOT_SENT, NOT_SUBSCRIBED])
    reason = serializers.CharField(allow_blank=True)


class EventDetailDocument(EventDocument):
    """An event, with what became of it at each webhook."""

    webhooks = WhyDocument(many=True)


class ExpunctionDocument(serializers.Serializer[Any]):
    """The trace of a payload that was taken out: it holds none of it."""

    id = serializers.CharField(help_text="The event's id.")
    event = serializers.CharField()
    by = serializers.CharField(help_text="Who asked for it.")
    note = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField(help_text="Attempts whose request and answer went with it.")
    cancelled = serializers.IntegerField(help_text="Deliveries that were still to be sent.")
    expunged_at = serializers.DateTimeField()


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
    is_held = serializers.BooleanField(help_text="It waits in line behind another delivery (`ordering`).")
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is sent, held or closed.")
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

    waits_for = serializers.CharField(allow_null=True, help_text="The delivery it waits in line behind.")
    data = Data(allow_null=True, help_text="Null: it was expunged.")  # type: ignore[assignment]
    attempts = AttemptDocument(many=True)


class UndeliveredDocument(DeliveryDocument):
    """A delivery that hasn't arrived, with its event's data."""

    occurred_at = serializers.DateTimeField()
    data = Data(allow_null=True, help_text="Null: it was expunged.")  # type: ignore[assignment]
