"""News about webhooks as events, for webhooks that subscribe to them: `webhook.paused`, `delivery.dead` and others.

No loops: nothing is published about deliveries of these events themselves, and nothing without a subscriber.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db.models import Count

from deliveries.models import Attempt, DeadLetter
from deliveries.publishing import publish_many
from deliveries.publishing.service import NewEvent
from subscriptions.conf import settings
from subscriptions.event_types import OPERATIONS
from subscriptions.logs import get_logger
from subscriptions.models import EventType, Merchant, Subscription, Webhook
from subscriptions.patterns import EVERYTHING, candidates

log = get_logger(__name__)

LOOKED_AT = 200
"""Attempts of a webhook, the newest, among which a failure of something else than these events is looked for."""


@dataclass(slots=True)
class OperationalEvent:
    """One event to publish to a merchant's own webhooks."""

    merchant_id: int
    event: str
    data: dict[str, Any]
    resource_id: str
    occurred_at: datetime


def names() -> set[str]:
    """Return the names of the events that tell of webhooks and deliveries."""
    return set(EventType.objects.filter(source=OPERATIONS, is_active=True).values_list("name", flat=True))


def publish(news: Collection[OperationalEvent]) -> int:
    """Publish what somebody subscribed to by name or prefix, inside the caller's transaction; return how many.

    `*` alone means every event of the shop; it doesn't ask for news about the webhooks themselves.
    """
    wanted = _wanted({each.merchant_id for each in news}, {each.event for each in news} & names()) if news else set()
    of_merchant: dict[int, list[OperationalEvent]] = defaultdict(list)
    for each in news:
        if (each.merchant_id, each.event) in wanted:
            of_merchant[each.merchant_id].append(each)
    for merchant in Merchant.objects.filter(pk__in=of_merchant, is_active=True):
        _publish(merchant, of_merchant[merchant.pk])
    return sum(map(len, of_merchant.values()))


def _publish(merchant: Merchant, news: list[OperationalEvent]) -> None:
    for start in range(0, len(news), settings.WEBHOOKS_BATCH_MAX):
        batch = news[start : start + settings.WEBHOOKS_BATCH_MAX]
        events = [
            NewEvent(each.event, each.data, occurred_at=each.occurred_at, resource_id=each.resource_id)
            for each in batch
        ]
        try:
            publish_many(events, merchant=merchant)
        except ValidationError as error:  # a notice and a mail tell it all the same
            log.error("events_not_published", merchant=merchant.public_id, error=str(error)[:500])


def _wanted(merchant_ids: Collection[int], events: Collection[str]) -> set[tuple[int, str]]:
    patterns = {event: set(candidates(event)) - {EVERYTHING} for event in events}
    rows = Subscription.objects.filter(
        merchant_id__in=merchant_ids,
        ended_at=None,
        pattern__in=set().union(*patterns.values()),
        webhook__deleted_at=None,
    ).values_list("merchant_id", "pattern")
    return {(merchant, event) for merchant, pattern in set(rows) for event in events if pattern in patterns[event]}


def subscribers(merchant_ids: Collection[int], event: str) -> dict[int, int]:
    """Return how many webhooks of each of these merchants subscribed to this event by name or prefix."""
    rows = Subscription.objects.filter(
        merchant_id__in=merchant_ids,
        ended_at=None,
        pattern__in=set(candidates(event)) - {EVERYTHING},
        webhook__deleted_at=None,
    )
    counts = rows.order_by().values_list("merchant_id").annotate(count=Count("webhook", distinct=True))
    return dict(counts)


def about(webhook: Webhook, event: str, reason: str, at: datetime, **more: Any) -> OperationalEvent:
    """Return news about a webhook."""
    data = {"webhook": _webhook(webhook), "reason": reason, **more}
    return OperationalEvent(webhook.merchant_id, event, data, webhook.public_id, at)


def about_dead_letters(dead_letters: Iterable[DeadLetter]) -> list[OperationalEvent]:
    """Return a `delivery.dead` for each dead letter, but for those of these events themselves.

    The dead letters need their delivery, its event and their webhook.
    """
    ours = names()
    return [_dead(dead_letter) for dead_letter in dead_letters if dead_letter.delivery.event_type not in ours]


def _dead(dead_letter: DeadLetter) -> OperationalEvent:
    delivery = dead_letter.delivery
    data = {
        "delivery": {
            "id": delivery.public_id,
            "event": delivery.event_type,
            "event_id": delivery.event.public_id,
            "attempts": delivery.attempt_count,
        },
        "webhook": _webhook(dead_letter.webhook),
        "reason": dead_letter.reason,
        "status_code": dead_letter.status_code,
        "error": dead_letter.error,
    }
    return OperationalEvent(dead_letter.merchant_id, "delivery.dead", data, delivery.public_id, dead_letter.created_at)


def failed_for_others(webhook_id: int, since: datetime) -> bool:
    """Tell whether any attempt that failed since then carried something else than these events.

    A receiver that takes `webhook.failing` and refuses `webhook.recovered` would otherwise be told for ever.
    """
    rows = Attempt.objects.filter(webhook_id=webhook_id).order_by("-id")
    newest = rows.values_list("result", "answered_at", "started_at", "delivery__event_type")[:LOOKED_AT]
    ours = names()
    return any(
        result != Attempt.Result.DELIVERED and (answered or started) >= since and event not in ours
        for result, answered, started, event in newest
    )


def host_of(webhook: Webhook) -> str:
    """Return the host of a webhook's URL; the rest may hold a token."""
    return urlsplit(webhook.url).hostname or ""


def _webhook(webhook: Webhook) -> dict[str, str]:
    return {"id": webhook.public_id, "name": webhook.name, "host": host_of(webhook)}
