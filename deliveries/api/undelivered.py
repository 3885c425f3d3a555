"""A feed of everything that hasn't arrived: what a receiver reads to catch up after an outage."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import deliveries, documents
from deliveries.api.filters import UndeliveredFilter
from deliveries.models import DeadLetter, Delivery
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.filters import filtered
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import Merchant, Webhook


def undelivered(merchant: Merchant) -> QuerySet[Delivery]:
    """Return the merchant's open deliveries and those in review.

    The keys come from the two partial indexes that hold only such rows, so the cost doesn't grow with the log.
    """
    webhooks = Webhook.objects.filter(merchant=merchant).values("pk")
    waiting = Delivery.objects.filter(webhook__in=webhooks, due_at__isnull=False).order_by().values("pk")
    dead = DeadLetter.objects.filter(merchant=merchant, resolved_at=None).order_by().values("delivery_id")
    return deliveries.deliveries_of(merchant).defer(None).filter(pk__in=waiting.union(dead))


def represent(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery with what it would have delivered."""
    return deliveries.represent(delivery) | {
        "occurred_at": delivery.event.occurred_at,
        "data": documents.data_of(delivery.event),
    }


class Undelivered(ApiView):
    """What hasn't arrived."""

    query = (*PARAMETERS, *UndeliveredFilter.base_filters)

    @describe(
        "List undelivered",
        responses={200: documents.UndeliveredDocument(many=True)},
        pages=True,
        filters=UndeliveredFilter,
    )
    def get(self, request: Request) -> Response:
        """Return a page of what is pending, retried or in review, the oldest first, with its data."""
        return self.pages(
            filtered(UndeliveredFilter, request, undelivered(self.merchant)), represent, newest_first=False
        )
