"""What is due and has not been sent: by how long it waits, for metrics and doctor."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from deliveries.models import Delivery

AGES: Final = (0, 1, 10, 60, 600, 3600)
"""Seconds that metrics tell the backlog by."""


def overdue(age: timedelta) -> QuerySet[Delivery]:
    """Return deliveries due for longer than `age`, by the database's clock, that nothing keeps from being sent.

    Those of paused, disabled and deleted webhooks wait for somebody, those of feeds are fetched, and those being sent
    are under way: they don't count.
    """
    return Delivery.objects.filter(
        status__in=[Delivery.Status.PENDING, Delivery.Status.RETRYING],
        due_at__lt=Now() - age,
        feed_position=None,
        webhook__is_enabled=True,
        webhook__deleted_at=None,
        webhook__paused_at=None,
    )


def by_age() -> dict[int, int]:
    """Return seconds of AGES → how many deliveries are overdue by more. One query over what is due."""
    counts = {f"over_{age}": Count("id", filter=Q(due_at__lt=Now() - timedelta(seconds=age))) for age in AGES}
    found = overdue(timedelta(0)).aggregate(**counts)
    return {age: found[f"over_{age}"] for age in AGES}
