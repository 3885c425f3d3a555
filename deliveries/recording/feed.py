"""A request to a feed: what its cursor acknowledges is recorded as delivered, then it gets the next page.

At least once: what was given and not acknowledged is given again to whoever asks with the cursor before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from deliveries.dialects.base import ID_HEADER
from deliveries.models.events import EXPUNGED
from deliveries.payloads.transformations import NotTransformed
from deliveries.queueing import feed_tests, feeds, webhook_settings
from deliveries.queueing.claims import Claimed
from deliveries.queueing.feeds import Cursor, Feed
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.reasons import Reason, ReasonCode
from deliveries.recording import outcomes
from deliveries.recording.decided_outcomes import DecidedOutcome
from deliveries.recording.decisions import Dead, Delivered
from deliveries.sending import resolvers, test_sends
from deliveries.sending.rendering import render
from deliveries.sending.sender import Sent
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions import selectors
from subscriptions.logs import get_logger
from subscriptions.models import Webhook

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """A message as an endpoint would have received it, signed now.

    `id`: the delivery's; None for a test, which is nobody's. `cursor` acknowledges it and all before it.
    """

    id: str | None
    event_id: str
    event: str
    request: Request
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Page:
    """What a request gets. `cursor`: what the next one is to give; there is one for an empty page, too."""

    items: list[Item]
    cursor: Cursor


def fetch_page(webhook: Webhook, after: Cursor | None, limit: int, by: str) -> Page:
    """Acknowledge what the cursor says was received, and return what follows on it.

    Without a cursor nothing is acknowledged, and the page begins with the oldest that isn't. A message that can't be
    made goes to review. A paused feed gives nothing. `by`: who asks, for the log.

    Raises UnknownCursor, ExpiredCursor.
    """
    feeds.expire(webhook.pk)
    with transaction.atomic():
        feed = feeds.ask(webhook.pk)
        own = webhook_settings.read(webhook.pk)
        position = feed.acknowledged
        if after is not None:
            feeds.check(after, feed)
            position = after.position
            _acknowledge(own, feed, position, by)
        rows = [] if webhook.paused_at else feeds.page(own, feed, position, limit)
    items, unmade, passed = _made(webhook, rows, feed.now)
    if unmade:
        _give_up(own, unmade, feed.now)
    tests = _tests(own, Cursor.of(webhook, position, feed.now))
    return Page(tests + items, Cursor.of(webhook, passed or position, feed.now))


def _tests(own: WebhookSettings, cursor: Cursor) -> list[Item]:
    """Return samples that wait to be fetched; paused feeds give them, too."""
    items = []
    for name in feed_tests.take(own.webhook_id):
        entry = selectors.event_type_named(name)
        with suppress(ValidationError):  # it was changed since
            if entry is not None:
                request = test_sends.prepare(entry, own).request
                items.append(Item(None, dict(request.headers)[ID_HEADER], entry.name, request, cursor))
    return items


def _acknowledge(own: WebhookSettings, feed: Feed, position: int, by: str) -> None:
    if position <= feed.acknowledged:
        return
    decision = Delivered(Reason(ReasonCode.ACKNOWLEDGED, {"by": by}))
    decided = []
    for row in feeds.take(own, feed.acknowledged + 1, position):
        given_at = row.expires_at
        outcome = Outcome(
            status_code=200,
            detail=f"It was fetched from the feed and acknowledged by {by}.",
            total_ms=max(0.0, (feed.now - given_at).total_seconds() * 1000),
        )
        decided.append(DecidedOutcome(Sent(row, None, outcome, 0.0, 0.0), decision, given_at, feed.now, None))
    if decided:
        outcomes.write(sorted(decided, key=lambda each: each.delivery_id))
    feeds.acknowledge(own.webhook_id, position)


Unmade = tuple[Claimed, str, ErrorClass]


def _made(webhook: Webhook, rows: Sequence[Claimed], now: datetime) -> tuple[list[Item], list[Unmade], int]:
    """Return messages, rows that none can be made of, and the place up to which that is known; 0 for none.

    A fault of ours may pass (a key that is missing for a while): the row stays, and what follows waits behind it.
    """
    items, unmade, passed = [], [], 0
    for row in rows:
        if row.data == EXPUNGED:  # delivered before; what is open keeps its payload
            passed = row.token
            continue
        try:
            request = render(row, resolvers.freshest(row), now)
        except NotTransformed as error:
            unmade.append((row, str(error), ErrorClass.TRANSFORMATION_FAILED))
        except ValueError as error:
            unmade.append((row, f"The message could not be made: {error}", ErrorClass.INTERNAL))
        except Exception:
            log.exception("render_failed", **row.named)
            break
        else:
            cursor = Cursor.of(webhook, row.token, now)
            items.append(Item(row.public_id, row.event_id, row.event_type, request, cursor))
        passed = row.token
    return items, unmade, passed


def _give_up(own: WebhookSettings, unmade: Sequence[Unmade], now: datetime) -> None:
    """Put messages that can't be made into review, where they hold up nobody."""
    details = {row.token: (detail, error) for row, detail, error in unmade}
    decision = Dead(Reason(ReasonCode.PERMANENT_FAILURE))
    with transaction.atomic():
        feeds.ask(own.webhook_id)  # locked first, as by another consumer that asks now
        decided = []
        for place, (detail, error) in details.items():
            for row in feeds.take(own, place, place):
                outcome = Outcome(error=error, detail=detail, total_ms=0.0, permanent=True)
                decided.append(DecidedOutcome(Sent(row, None, outcome, 0.0, 0.0), decision, now, now, None))
        if decided:
            outcomes.write(sorted(decided, key=lambda each: each.delivery_id))
