"""How far whoever fetches a feed is behind: the figures of one feed, for pages and API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from deliveries.models import Delivery, WebhookState
from subscriptions.models import Webhook
from subscriptions.webhook_rules import PULL

COUNTED_MAX: Final = 10_000
"""Deliveries that wait in a feed are counted up to here."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What waits in a feed.

    Attributes:
        unacknowledged: Deliveries that were not fetched and acknowledged, COUNTED_MAX at most.
        oldest_at: Since when the oldest of them waits; None where none does.
        asked_at: When the feed was asked last; None for never.
    """

    unacknowledged: int
    oldest_at: datetime | None
    asked_at: datetime | None


def of(webhook: Webhook) -> Lag | None:
    """Return a feed's lag; None for webhooks that have no feed. Three queries."""
    if webhook.kind != PULL:
        return None
    waiting = Delivery.objects.filter(webhook=webhook, due_at__isnull=False)
    asked_at = WebhookState.objects.filter(webhook=webhook).values_list("feed_asked_at", flat=True).first()
    oldest = waiting.order_by("due_at", "id").values_list("due_at", flat=True).first()
    return Lag(waiting.order_by()[:COUNTED_MAX].count(), oldest, asked_at)
