"""Feeds: what a webhook of the kind `pull` gives to whoever fetches it, each delivery at its place (docs/adr/0029).

A delivery waits without a place. Whoever asks is given what it sees: the deliveries get the next places, which never
change. So places follow the order of commits, and a cursor, which is a place, passes over nothing.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from deliveries.db.arrays import literal
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.queueing import expiry
from deliveries.queueing.claims import Claimed
from deliveries.queueing.webhook_settings import WebhookSettings
from subscriptions.conf import settings
from subscriptions.models import Webhook

PAGE_BYTES: Final = 512 * 1024
"""Bytes of event data that a page holds, unless one event alone has more."""
EXPIRY_ROUNDS: Final = 20
"""Chunks of what is too old that a page closes before it gives anything; the scheduler closes the rest."""
CURSOR: Final = r"^[0-9]{1,18}-[0-9]{1,11}-[0-9A-Z]{6}$"
_CURSOR: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,11})-([0-9A-Z]{6})", re.ASCII)

_SQL = load(__file__, "feeds.sql")


class UnknownCursor(Exception):
    """The text is no cursor that this feed has given."""


class ExpiredCursor(Exception):
    """What followed on the cursor may have been purged since."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a webhook's feed: what comes after it has not been seen. `at`: when it was given, unix seconds."""

    position: int
    at: int
    mark: str

    @classmethod
    def of(cls, webhook: Webhook, position: int, now: datetime) -> Self:
        """Return the cursor of a place."""
        return cls(position, int(now.timestamp()), webhook.public_id[-6:])

    @classmethod
    def read(cls, text: str, webhook: Webhook) -> Self:
        """Return the cursor that a text is. Raises UnknownCursor for other texts, and another webhook's."""
        match = _CURSOR.fullmatch(text)
        if match is None or match[3] != webhook.public_id[-6:]:
            raise UnknownCursor
        return cls(int(match[1]), int(match[2]), match[3])

    def __str__(self) -> str:
        return f"{self.position}-{self.at}-{self.mark}"


@dataclass(frozen=True, slots=True)
class Feed:
    """How far a feed was given and acknowledged, and the database's time."""

    given: int
    acknowledged: int
    now: datetime


def ask(webhook_id: int) -> Feed:
    """Lock the feed for the caller's transaction and return how far it is."""
    [row] = fetch(_SQL["ask"], {"webhook_id": webhook_id})
    return Feed(row.feed_position, row.feed_acknowledged, row.now)


def check(cursor: Cursor, feed: Feed) -> None:
    """Refuse a cursor of a place that was never given, and one behind which rows may have been purged.

    What nobody has acknowledged is never purged. Raises UnknownCursor, ExpiredCursor.
    """
    if cursor.position > feed.given:
        raise UnknownCursor
    kept = [
        days
        for days in (
            settings.WEBHOOKS_KEEP_PAYLOADS,
            settings.WEBHOOKS_KEEP_DELIVERIES,
            settings.WEBHOOKS_KEEP_EVENTS,
        )
        if days
    ]
    if cursor.position < feed.acknowledged and kept:
        before = feed.now - timedelta(days=min(kept))
        if datetime.fromtimestamp(cursor.at, UTC) < before:
            raise ExpiredCursor


def take(webhook: WebhookSettings, first: int, last: int) -> list[Claimed]:
    """Take what is open from one place to another, in the caller's transaction, to be recorded under its token."""
    return [
        _claimed(row, webhook)
        for row in fetch(_SQL["take"], {"webhook_id": webhook.webhook_id, "first": first, "last": last})
    ]


def acknowledge(webhook_id: int, position: int) -> None:
    """Note, in the caller's transaction, that all up to a place was received."""
    fetch(_SQL["acknowledge"], {"webhook_id": webhook_id, "position": position})


def page(webhook: WebhookSettings, feed: Feed, after: int, limit: int) -> list[Claimed]:
    """Return what follows on a place, in order; what has no place yet is given one. In the transaction of `ask`.

    Each row's `token` is its place, its `due_at` since when it waits.
    """
    given = {"webhook_id": webhook.webhook_id, "after": after, "limit": limit}
    fetch(_SQL["give"], {**given, "position": feed.given})
    return [_claimed(row, webhook) for row in fetch(_SQL["page"], {**given, "bytes": PAGE_BYTES})]


def with_news(webhook_ids: Iterable[int]) -> list[int]:
    """Return those of the webhooks whose feed has something new, or that are off by now."""
    return [row.id for row in fetch(_SQL["with_news"], {"webhook_ids": literal(webhook_ids)})]


def expire(webhook_id: int | None = None, *, seconds: float = math.inf) -> None:
    """Close what is too old in this feed, or in all: nobody claims there, and so would meet it.

    After `seconds` it leaves the rest to the next call.
    """
    until = time.monotonic() + seconds
    given = {"webhook_id": webhook_id, "expire_after": settings.WEBHOOKS_EXPIRE_AFTER}
    for _round in range(EXPIRY_ROUNDS):
        found: Collection[int] = [row.id for row in fetch(_SQL["expired"], given)]
        if not found:
            return
        for pk in found:
            expiry.close([pk])
            if time.monotonic() >= until:
                return


def _claimed(row: Any, webhook: WebhookSettings) -> Claimed:
    return Claimed(
        webhook=webhook,
        token=row.feed_position,
        delivery_id=row.id,
        attempt=row.attempt_count + 1,
        tries=row.tries,
        orphaned_attempts=0,
        event_id=row.event_id,
        event_type=row.type,
        data=row.data,
        resource_id=row.resource_id,
        occurred_at=row.occurred_at,
        size=row.size,
        due_at=row.due_at,
        expires_at=row.claimed_at,
    )
