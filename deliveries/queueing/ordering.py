"""Strict order: of the deliveries in a line, one is on its way and the others are held (docs/adr/0012).

A line is what a webhook wants in order: all it gets, or what concerns one resource. Its deliveries are stored open but
HELD, so claims, sweeps and wake-ups neither see nor scan them. `advance` makes the first of a line due; whoever adds to
a line or takes from it calls that after the commit. Two that can't see each other's rows before their commits take
turns after them, so one of them finds the line as both left it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from django.db import Error, transaction

from deliveries import sentences
from deliveries.db.arrays import columns, literal
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import Delivery
from deliveries.queueing import wakeups
from deliveries.reasons import Reason, ReasonCode
from subscriptions.logs import get_logger
from subscriptions.models import Webhook

log = get_logger(__name__)

LOCK_SPACE = 0x6D79
"""The first half of the advisory locks' key; the second is the webhook's. Claims lock in a space of their own."""
CHUNK = 1000
"""Lines a transaction moves on, and a statement of `heal` looks at."""

LOCK_KEYS = 2_147_483_647
"""Keys of a lock space: webhooks' ids are taken modulo this."""

_SQL = load(__file__, "ordering.sql")


class OrderingGroup(NamedTuple):
    """Deliveries of one webhook that keep their order."""

    webhook_id: int
    key: str


FRONT = OrderingGroup(0, "")
"""Before every line."""


def key_of(setting: str, resource_id: str) -> str | None:
    """Return a delivery's line under a webhook's `ordering`; None for one that keeps no order.

    An event that names no resource stands in no line of resources.
    """
    if setting == Webhook.Ordering.WEBHOOK:
        return ""
    return (resource_id or None) if setting == Webhook.Ordering.RESOURCE else None


def groups_of(rows: Iterable[tuple[int, str | None]]) -> set[OrderingGroup]:
    """Return the lines of (webhook id, order key) pairs; those without a key have none."""
    return {OrderingGroup(webhook_id, key) for webhook_id, key in rows if key is not None}


def advance(lines: Collection[OrderingGroup]) -> set[int]:
    """Make the first delivery of each line due, if it is held and no other of its line is on its way.

    Call it after the commit of what changed the lines. A delivery in review is on its way for good: its line waits for
    a person. Returns the webhooks that have something due now.
    """
    found: set[int] = set()
    rest = iter(sorted(lines))
    while chunk := list(islice(rest, CHUNK)):
        with transaction.atomic():
            webhooks = {line.webhook_id % LOCK_KEYS for line in chunk}
            fetch(_SQL["take_turns"], {"space": LOCK_SPACE, "keys": literal(sorted(webhooks))})
            found |= _release(chunk)
    return found


def move_on(lines: Collection[OrderingGroup], *, wake: bool = True) -> set[int]:
    """Advance lines and wake their webhooks; what fails here is left to the sweep's `heal`."""
    if not lines:
        return set()
    try:
        found = advance(lines)
    except Error as error:
        log.warning("lines_not_advanced", lines=len(lines), error=str(error)[:200])
        return set()
    if found and wake:
        wakeups.wake(sorted(found))
    return found


def heal(after: OrderingGroup = FRONT, *, seconds: float = math.inf) -> tuple[set[int], OrderingGroup]:
    """Advance the lines that stand still because whoever changed them died after its commit; wake their webhooks.

    Looks at each line once, from the one behind `after`, for about so many `seconds`: after an outage there may be
    hundreds of thousands. Returns the webhooks that have something due now, and the line to go on after, FRONT where it
    has come to the end.
    """
    until, found = time.monotonic() + seconds, set[int]()
    while True:
        rows = fetch(_SQL["look"], {"webhook_id": after.webhook_id, "ordering_group": after.key, "limit": CHUNK})
        found |= move_on({OrderingGroup(row.webhook_id, row.ordering_group) for row in rows if row.stands_still})
        if len(rows) < CHUNK:
            return found, FRONT
        last = max(rows, key=attrgetter("nth"))
        after = OrderingGroup(last.webhook_id, last.ordering_group)
        if time.monotonic() >= until:
            return found, after


def _release(lines: Collection[OrderingGroup]) -> set[int]:
    heads = [row.id for row in fetch(_SQL["heads"], _arrays(lines))]
    return {row.webhook_id for row in fetch(_SQL["release"], {"ids": literal(heads)})} if heads else set()


def _arrays(lines: Collection[OrderingGroup]) -> dict[str, str]:
    return columns(("webhook_id", "ordering_group"), list(lines))


def why_held(delivery: Delivery, ahead: Delivery | None) -> str:
    """Return that a held delivery waits for the one `ahead_of` it, as a sentence; empty for one that isn't held."""
    reason = reason_held(delivery, ahead)
    return sentences.sentence(reason.code, reason.values) if reason else ""


def reason_held(delivery: Delivery, ahead: Delivery | None) -> Reason | None:
    """Return why a delivery is held, given the one `ahead_of` it; None for one that isn't held."""
    if not delivery.is_held:
        return None
    if ahead is None:
        return Reason(ReasonCode.NEXT_IN_ORDER)
    state = Delivery.Status(ahead.status).label.lower()
    return Reason(ReasonCode.BEHIND_ANOTHER, {"ahead": ahead.public_id, "state": state})


def ahead_of(delivery: Delivery) -> Delivery | None:
    """Return what a held delivery waits for; None if it isn't held, or nothing stands before it any more."""
    return all_ahead([delivery]).get(delivery.pk)


def all_ahead(deliveries: Iterable[Delivery]) -> dict[int, Delivery]:
    """Return what the held ones among these wait for: what is on its way in their line, else the first of the line."""
    lines = {row.pk: OrderingGroup(row.webhook_id, row.ordering_group or "") for row in deliveries if row.is_held}
    if not lines:
        return {}
    rows = fetch(_SQL["ahead"], _arrays(sorted(set(lines.values()))))
    first = {OrderingGroup(row.webhook_id, row.ordering_group): row.id for row in rows}
    found = Delivery.objects.in_bulk([pk for pk in first.values() if pk is not None])
    ahead = {pk: found.get(first.get(line)) for pk, line in lines.items()}
    return {pk: other for pk, other in ahead.items() if other is not None and other.pk != pk}
