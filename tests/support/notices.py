"""What tests of notices need: endpoints that answer so many times, and what was noticed and published."""

from __future__ import annotations

from typing import Any

from deliveries.models import Delivery, Event, Notice
from deliveries.recording import outcomes
from subscriptions.models import EventType, Webhook
from tests.support.engine import answered, claim_one, due_one

AT_ONCE = {"delays": []}
"""A policy of one attempt: the first failure is the last."""


def answer(webhook: Webhook, status: int | None, count: int = 1) -> list[Delivery]:
    """Let the webhook's endpoint answer this to `count` new deliveries."""
    deliveries = []
    for _ in range(count):
        delivery = due_one(webhook)
        outcomes.record([answered(claim_one(delivery), status)])
        deliveries.append(delivery)
    return deliveries


def notices(kind: Notice.Kind | None = None) -> list[tuple[str, int]]:
    rows = Notice.objects.filter(kind=kind) if kind else Notice.objects.all()
    return [(notice.kind, notice.count) for notice in rows.order_by("pk")]


def operational(merchant: Any) -> list[str]:
    names = EventType.objects.filter(source="operations").values("name")
    return list(Event.objects.filter(merchant=merchant, type__in=names).order_by("pk").values_list("type", flat=True))
