"""The log: deliveries with their attempts, tried again by hand."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents
from deliveries.api.attempts import represent as represent_attempt
from deliveries.api.filters import DeliveryFilter
from deliveries.models import Delivery
from deliveries.queueing import ordering
from deliveries.review import manual_actions
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.filters import filtered
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import Merchant

ATTEMPTS_SHOWN = 200
"""The latest attempts of one delivery that its page carries."""


def deliveries_of(merchant: Merchant) -> QuerySet[Delivery]:
    """Return the merchant's deliveries with what `represent` reads."""
    return (
        Delivery.objects.filter(merchant=merchant)
        .select_related("webhook", "event")
        .defer("event__data", "webhook__headers", "webhook__filter")
    )


def represent(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as lists show it; what a held one waits for, only its page says."""
    return {
        "id": delivery.public_id,
        "event_id": delivery.event.public_id,
        "event": delivery.event_type,
        "resource_id": delivery.event.resource_id,
        "webhook": delivery.webhook.public_id,
        "url": delivery.webhook.url,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempt_count": delivery.attempt_count,
        "retry_count": max(0, delivery.attempt_count - 1),
        "replays": delivery.replays,
        "is_held": delivery.is_held,
        "next_attempt_at": None if delivery.status == Delivery.Status.SENDING or delivery.is_held else delivery.due_at,
        "last_attempt_at": delivery.last_attempt_at,
        "last_status_code": delivery.last_status_code,
        "last_error": delivery.last_error,
        "response_ms": delivery.response_ms,
        "created_at": delivery.created_at,
        "closed_at": delivery.closed_at,
    }


def represent_with_attempts(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery with its event's data and its latest attempts, the first one first."""
    attempts = list(delivery.attempts.order_by("-id")[:ATTEMPTS_SHOWN])
    ahead = ordering.ahead_of(delivery)
    return represent(delivery) | {
        "reason": ordering.why_held(delivery, ahead) or delivery.reason,
        "waits_for": ahead and ahead.public_id,
        "data": documents.data_of(delivery.event),
        "attempts": [represent_attempt(attempt) for attempt in reversed(attempts)],
    }


class DeliveryList(ApiView):
    """The log."""

    query = (*PARAMETERS, *DeliveryFilter.base_filters)

    @describe(
        "List deliveries", responses={200: documents.DeliveryDocument(many=True)}, pages=True, filters=DeliveryFilter
    )
    def get(self, request: Request) -> Response:
        """Return a page, the newest first."""
        return self.pages(filtered(DeliveryFilter, request, deliveries_of(self.merchant)), represent)


class DeliveryDetail(ApiView):
    """One line of the log."""

    @describe("Read a delivery", responses={200: documents.DeliveryDetailDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it with every attempt: what was sent, what came back, what was decided."""
        return self.answer(represent_with_attempts(lookups.one(deliveries_of(self.merchant), id)))


class DeliveryRetry(ApiView):
    """A retry by hand."""

    @describe("Retry a delivery", responses={200: documents.DeliveryDocument})
    def post(self, request: Request, id: str) -> Response:
        """Send it again: at once when it waits for a retry, as a new chain when it is closed; 409 while it is sent."""
        lookups.members(request.data, known=())
        manual_actions.retry(delivery=lookups.one(deliveries_of(self.merchant), id), by=self.credential.by)
        return Response(represent(lookups.one(deliveries_of(self.merchant), id)))


class DeliveryCancel(ApiView):
    """The end of a delivery that is still open."""

    @describe("Cancel a delivery", responses={200: documents.DeliveryDocument})
    def post(self, request: Request, id: str) -> Response:
        """Stop trying; 409 while it is sent, or when it is closed."""
        lookups.members(request.data, known=())
        manual_actions.cancel(delivery=lookups.one(deliveries_of(self.merchant), id), by=self.credential.by)
        return Response(represent(lookups.one(deliveries_of(self.merchant), id)))
