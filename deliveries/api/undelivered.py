"""A feed of everything that hasn't arrived: what an endpoint's developer reads to catch up after an outage."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.deliveries import DeliverySerializer, deliveries_of
from deliveries.api.envelopes import EXAMPLE_DATA
from deliveries.models import DeadLetter, Delivery
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import JsonObject, eg
from subscriptions.models import Merchant, Webhook


class UndeliveredSerializer(DeliverySerializer):
    """A delivery that hasn't arrived, with its event's data."""

    occurred_at = serializers.DateTimeField(source="event.occurred_at")
    data = eg(  # type: ignore[assignment]
        JsonObject(source="event.data", allow_null=True, help_text="Null: it was expunged."), EXAMPLE_DATA
    )


class UndeliveredFilter(FilterSet):
    """Selects what hasn't arrived."""

    event = filters.CharFilter("event_type", help_text="Only events of this name.")
    webhook = filters.CharFilter("webhook__public_id", help_text="A webhook's id.")

    class Meta:
        model = Delivery
        fields: list[str] = []


def undelivered(merchant: Merchant) -> QuerySet[Delivery]:
    """Return the merchant's open deliveries and those in review.

    The keys come from the two partial indexes that hold only such rows, so the cost doesn't grow with the log.
    """
    webhooks = Webhook.objects.filter(merchant=merchant).values("pk")
    waiting = Delivery.objects.filter(webhook__in=webhooks, due_at__isnull=False).order_by().values("pk")
    dead = DeadLetter.objects.filter(merchant=merchant, resolved_at=None).order_by().values("delivery_id")
    return deliveries_of(merchant).defer(None).filter(pk__in=waiting.union(dead))


class Undelivered(ApiView):
    """What hasn't arrived."""

    query = (*PARAMETERS, *UndeliveredFilter.base_filters)

    @describe("List undelivered", answer=UndeliveredSerializer, pages=True, filterset=UndeliveredFilter)
    def get(self, request: Request) -> Response:
        """Return what has not been delivered in pages, the oldest first, with the events' data.

        Holds what is pending, being sent, retried or held, and what waits for review: all that an endpoint missed in an
        outage. What arrives meanwhile leaves the list; reading it changes nothing.
        """
        rows = self.filtered(UndeliveredFilter, undelivered(self.merchant))
        return self.pages(rows, UndeliveredSerializer, newest_first=False)
