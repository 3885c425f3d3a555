"""The review queue: what ran out of attempts, and what a person or program decides of it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import deliveries, documents
from deliveries.api.filters import DeadLetterFilter
from deliveries.models import DeadLetter
from deliveries.review import manual_actions
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.filters import filtered
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import Merchant

NOTE_MAX = 2000
"""Characters of a note."""


def dead_letters_of(merchant: Merchant) -> QuerySet[DeadLetter]:
    """Return the merchant's dead letters that wait for a decision."""
    return (
        DeadLetter.objects.filter(merchant=merchant, resolved_at=None)
        .select_related("delivery__event", "webhook")
        .defer("delivery__event__data")
    )


def represent(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter; its id is its delivery's."""
    delivery = letter.delivery
    return {
        "id": delivery.public_id,
        "event_id": delivery.event.public_id,
        "event": delivery.event_type,
        "resource_id": delivery.event.resource_id,
        "webhook": letter.webhook.public_id,
        "url": letter.webhook.url,
        "reason": letter.reason,
        "error": letter.error,
        "status_code": letter.status_code,
        "attempt_count": delivery.attempt_count,
        "replays": delivery.replays,
        "created_at": letter.created_at,
        "note": letter.note,
    }


class DeadLetterList(ApiView):
    """The queue."""

    query = (*PARAMETERS, *DeadLetterFilter.base_filters)

    @describe(
        "List dead letters",
        responses={200: documents.DeadLetterDocument(many=True)},
        pages=True,
        filters=DeadLetterFilter,
    )
    def get(self, request: Request) -> Response:
        """Return a page of what waits for review, the oldest first."""
        rows = filtered(DeadLetterFilter, request, dead_letters_of(self.merchant))
        return self.pages(rows, represent, newest_first=False)


class DeadLetterDetail(ApiView):
    """One dead letter."""

    @describe("Read a dead letter", responses={200: documents.DeadLetterDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it while it waits for review."""
        return self.answer(represent(_letter(self.merchant, id)))


class DeadLetterReplay(ApiView):
    """One dead letter's second chance."""

    @describe("Replay a dead letter", request=documents.Note, responses={200: documents.DeliveryDocument})
    def post(self, request: Request, id: str) -> Response:
        """Start a new chain of attempts on the same delivery, with the same message id."""
        return _decide(self, request, id, manual_actions.replay)


class DeadLetterDiscard(ApiView):
    """One dead letter's end."""

    @describe("Discard a dead letter", request=documents.Note, responses={200: documents.DeliveryDocument})
    def post(self, request: Request, id: str) -> Response:
        """Close it for good; the log keeps it, with who decided and why."""
        return _decide(self, request, id, manual_actions.discard)


def _letter(merchant: Merchant, public_id: str) -> DeadLetter:
    return lookups.one(dead_letters_of(merchant), public_id, delivery__public_id=public_id)


def _decide(view: ApiView, request: Request, public_id: str, decision: Any) -> Response:
    note = lookups.text(lookups.members(request.data, known=("note",)), "note", limit=NOTE_MAX)
    delivery = _letter(view.merchant, public_id).delivery
    decision(delivery=delivery, by=view.credential.by, note=note)
    return Response(deliveries.represent(lookups.one(deliveries.deliveries_of(view.merchant), public_id)))
