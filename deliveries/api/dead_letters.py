"""The review queue over the API: what ran out of attempts, and what a person or program decides about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.deliveries import DeliverySerializer, deliveries_of
from deliveries.models import DeadLetter
from deliveries.review import manual_actions
from deliveries.review.selection import DeadLetterFilter
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import EXAMPLE_LATER, ApiSerializer, Text, eg
from subscriptions.models import Merchant

NOTE_MAX: Final = 2000
"""Characters of a note."""
_REPLAYED: Final = {"attempt_count": 4, "retry_count": 3, "replays": 1, "next_attempt_at": EXAMPLE_LATER}


class DeadLetterSerializer(ApiSerializer):
    """A delivery that ran out of attempts and waits for a decision. Its id is the delivery's."""

    id = eg(serializers.CharField(source="delivery.public_id"), "dlv_01HA4XCG6Y0M2QW8JX5T7VBN3K")
    event_id = eg(serializers.CharField(source="delivery.event.public_id"), "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A")
    event = eg(serializers.CharField(source="delivery.event_type"), "order.created")
    resource_id = eg(serializers.CharField(source="delivery.event.resource_id", allow_blank=True), "order-1045")
    webhook = eg(serializers.CharField(source="webhook.public_id"), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    url = eg(serializers.CharField(source="webhook.url"), "https://accounting.example.com/hooks/orders")
    reason = eg(
        serializers.CharField(help_text="Why it was given up, in a sentence."),
        "Gave up after 4 attempts; the last answer was 500.",
    )
    error = eg(serializers.CharField(allow_blank=True, help_text="The kind of the last error."), "http_error")
    status_code = eg(serializers.IntegerField(allow_null=True, help_text="The last answer's; null for none."), 500)
    attempt_count = eg(serializers.IntegerField(source="delivery.attempt_count"), 4)
    replays = eg(serializers.IntegerField(source="delivery.replays"), 0)
    created_at = eg(serializers.DateTimeField(help_text="When it was given up."), EXAMPLE_LATER)
    note = serializers.CharField(allow_blank=True)


class NoteSerializer(ApiSerializer):
    """Why, for the record."""

    note = eg(Text(max_length=NOTE_MAX, default="", allow_blank=True), "The endpoint is fixed.")


def dead_letters_of(merchant: Merchant) -> QuerySet[DeadLetter]:
    """Return the merchant's dead letters that wait for a decision."""
    return (
        DeadLetter.objects.filter(merchant=merchant, resolved_at=None)
        .select_related("delivery__event", "webhook")
        .defer("delivery__event__data")
    )


class DeadLetterList(ApiView):
    """The queue."""

    query = (*PARAMETERS, *DeadLetterFilter.base_filters)

    @describe("List dead letters", answer=DeadLetterSerializer, pages=True, filterset=DeadLetterFilter)
    def get(self, request: Request) -> Response:
        """Return the deliveries that ran out of attempts and wait for review in pages, the oldest first.

        Those that were replayed or discarded are no longer here, but in the delivery log.
        """
        rows = self.filtered(DeadLetterFilter, dead_letters_of(self.merchant))
        return self.pages(rows, DeadLetterSerializer, newest_first=False)


class DeadLetterDetail(ApiView):
    """One dead letter."""

    @describe("Read a dead letter", answer=DeadLetterSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return a dead letter, addressed by its delivery's id, while it waits for review; 404 once it is decided."""
        return self.answer(DeadLetterSerializer(_dead_letter(self.merchant, id)).data)


class DeadLetterReplay(ApiView):
    """One dead letter's second chance."""

    @describe("Replay a dead letter", body=NoteSerializer, answer=DeliverySerializer, etag=True, shown=_REPLAYED)
    def post(self, request: Request, id: str) -> Response:
        """Send a dead letter again: a new chain of attempts on the same delivery, with the same message id.

        It leaves the review queue and comes back when all attempts fail again. 404 when it doesn't wait for review, 409
        when its webhook is disabled or deleted, 412 when it isn't as If-Match says.
        """
        return _decide(self, id, manual_actions.replay)


class DeadLetterDiscard(ApiView):
    """One dead letter's end."""

    @describe(
        "Discard a dead letter",
        body=NoteSerializer,
        answer=DeliverySerializer,
        etag=True,
        sent={"note": "Corrected by hand."},
        shown=_REPLAYED | {"status": "discarded", "next_attempt_at": None, "closed_at": EXAMPLE_LATER},
    )
    def post(self, request: Request, id: str) -> Response:
        """Close a dead letter without sending it; the log keeps it, with who decided and why.

        404 when it doesn't wait for review, 412 when it isn't as If-Match says.
        """
        return _decide(self, id, manual_actions.discard)


def _dead_letter(merchant: Merchant, public_id: str) -> DeadLetter:
    return lookups.one(dead_letters_of(merchant), public_id, delivery__public_id=public_id)


def _decide(view: ApiView, public_id: str, decision: Callable[..., Any]) -> Response:
    note = view.body(NoteSerializer)["note"]
    rows = dead_letters_of(view.merchant)
    lookup = {"delivery__public_id": public_id}
    with view.as_read(rows, public_id, lambda row: DeadLetterSerializer(row).data, of="delivery", **lookup) as found:
        decision(delivery=found.delivery, by=view.credential.by, note=note)
    return Response(DeliverySerializer(lookups.one(deliveries_of(view.merchant), public_id)).data)
