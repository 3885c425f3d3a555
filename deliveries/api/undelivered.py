"""A list of everything that no 2xx answered: what an endpoint's developer reads to catch up after an outage."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.deliveries import DeliverySerializer, deliveries_of
from deliveries.api.envelopes import EXAMPLE_DATA
from deliveries.models import Delivery
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS, Merged
from subscriptions.api.serializers import JsonObject, eg
from subscriptions.filters import EventNameFilter
from subscriptions.models import Merchant, Webhook


class UndeliveredSerializer(DeliverySerializer):
    """A delivery that hasn't arrived, with its event's data."""

    occurred_at = serializers.DateTimeField(source="event.occurred_at")
    data = eg(  # type: ignore[assignment]
        JsonObject(source="event.data", allow_null=True, help_text="Null: it was expunged."), EXAMPLE_DATA
    )


class UndeliveredFilter(FilterSet):
    """Selects what hasn't arrived."""

    event = EventNameFilter("event_type", help_text="Only events of this name.")
    webhook = filters.CharFilter("webhook__public_id", help_text="A webhook's id.")

    class Meta:
        model = Delivery
        fields: list[str] = []


class Undelivered(ApiView):
    """What hasn't arrived."""

    query = (*PARAMETERS, *UndeliveredFilter.base_filters)

    @describe("List undelivered", answer=UndeliveredSerializer, pages=True, filterset=UndeliveredFilter)
    def get(self, request: Request) -> Response:
        """Return everything that no 2xx has answered in pages, the oldest first, with the events' data.

        Whatever its status, unless that is `delivered`: what is pending, being sent, retried or held, what waits for
        review or was discarded, and what was skipped or cancelled, as while a webhook was disabled or after a 410;
        `reason` says why. What arrives meanwhile leaves the list; reading it changes nothing. To have it sent again,
        replay deliveries by `status`: `undelivered`.
        """
        parts = tuple(self.filtered(UndeliveredFilter, part) for part in undelivered(self.merchant))
        shown = deliveries_of(self.merchant).defer(None)
        return self.pages(Merged(shown, parts), UndeliveredSerializer, newest_first=False)


def undelivered(merchant: Merchant) -> tuple[QuerySet[Delivery], ...]:
    """Return the merchant's deliveries in any status but `delivered`, split as the indexes that hold them.

    Those are partial and hold only such rows, so the cost doesn't grow with what was delivered.
    """
    own = Delivery.objects.filter(merchant=merchant)
    webhooks = Webhook.objects.filter(merchant=merchant).values("pk")
    return (
        Delivery.objects.filter(webhook__in=webhooks, due_at__isnull=False),
        own.filter(status__in=[status for status in Delivery.FAILED if status not in Delivery.OPEN]),
        own.filter(status__in=Delivery.UNSENT),
    )
