"""Query parameters that select events and what hasn't arrived; those of the two lists stand in `selection`."""

from __future__ import annotations

from django_filters import filters  # type: ignore[import-untyped]
from django_filters.rest_framework import FilterSet  # type: ignore[import-untyped]

from deliveries.models import Delivery, Event
from deliveries.review.selection import FAILED, STATUSES, DeadLetterFilter, DeliveryFilter
from subscriptions.api.filters import MomentFilter

__all__ = ["FAILED", "STATUSES", "DeadLetterFilter", "DeliveryFilter", "EventFilter", "UndeliveredFilter"]


class EventFilter(FilterSet):
    """Selects events."""

    event = filters.CharFilter("type", help_text="Only events of this name.")
    resource_id = filters.CharFilter(help_text="Only events of this resource.")
    since = MomentFilter("occurred_at", "gte", help_text="Happened then or later.")
    until = MomentFilter("occurred_at", "lt", help_text="Happened before.")
    created_at_min = MomentFilter("created_at", "gte", help_text="Published then or later.")
    updated_at_min = MomentFilter("created_at", "gte", help_text="The same: events don't change.")

    class Meta:
        model = Event
        fields: list[str] = []


class UndeliveredFilter(FilterSet):
    """Selects what hasn't arrived."""

    event = filters.CharFilter("event_type", help_text="Only events of this name.")
    webhook = filters.CharFilter("webhook__public_id", help_text="A webhook's id.")

    class Meta:
        model = Delivery
        fields: list[str] = []
