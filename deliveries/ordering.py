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
from operator import itemgetter
from typing import NamedTuple

import structlog
from django.db import Error, connection, transaction

from deliveries import lanes
from deliveries.database import is_postgres, rows_source
from deliveries.models import Delivery
from deliveries.models.deliveries import HELD_SQL
from subscriptions.models import Webhook

log = structlog.get_logger(__name__)

LOCK_SPACE = 0x6D79
"""The first half of the advisory locks' key; the second is the webhook's. Claims lock in a space of their own."""
CHUNK = 1000
"""Lines a transaction moves on, and a statement of `heal` looks at."""

DUE = f"CASE WHEN order_key IS NULL THEN now() ELSE {HELD_SQL} END"
"""When a delivery that is to be sent is due, as SQL over its row."""


class Line(NamedTuple):
    """Deliveries of one webhook that keep their order."""

    webhook_id: int
    key: str


FRONT = Line(0, "")
"""Before every line."""


def key_of(setting: str, resource_id: str) -> str | None:
    """Return a delivery's line under a webhook's `ordering`; None for one that keeps no order.

    An event that names no resource stands in no line of resources.
    """
    if setting == Webhook.Ordering.WEBHOOK:
        return ""
    return (resource_id or None) if setting == Webhook.Ordering.RESOURCE else None


def lines_of(rows: Iterable[tuple[int, str | None]]) -> set[Line]:
    """Return the lines of (webhook id, order key) pairs; those without a key have none."""
    return {Line(webhook_id, key) for webhook_id, key in rows if key is not None}


def advance(lines: Collection[Line]) -> set[int]:
    """Make the first delivery of each line due, if it is held and no other of its line is on its way.

    Call it after the commit of what changed the lines. A delivery in review is on its way for good: its line waits for
    a person. Returns the webhooks that have something due now.
    """
    found: set[int] = set()
    rest = iter(sorted(lines))
    while chunk := list(islice(rest, CHUNK)):
        with transaction.atomic():
            _lock({line.webhook_id for line in chunk})
            found |= _release(chunk)
    return found


def move_on(lines: Collection[Line], *, wake: bool = True) -> set[int]:
    """Advance lines and wake their lanes; what fails here is left to the sweep's `heal`."""
    if not lines:
        return set()
    try:
        found = advance(lines)
    except Error as error:
        log.warning("lines_not_advanced", lines=len(lines), error=str(error)[:200])
        return set()
    if found and wake:
        lanes.wake(sorted(found))
    return found


def heal(after: Line = FRONT, *, seconds: float = math.inf) -> tuple[set[int], Line]:
    """Advance the lines that stand still because whoever changed them died after its commit; wake their lanes.

    Looks at each line once, from the one behind `after`, for about so many `seconds`: after an outage there may be
    hundreds of thousands. Returns the webhooks that have something due now, and the line to go on after, FRONT where it
    has come to the end.
    """
    until, found = time.monotonic() + seconds, set[int]()
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, [*after, CHUNK])
            rows = cursor.fetchall()
        found |= move_on({Line(webhook_id, key) for webhook_id, key, stands_still, _nth in rows if stands_still})
        if len(rows) < CHUNK:
            return found, FRONT
        after = Line(*max(rows, key=itemgetter(3))[:2])
        if time.monotonic() >= until:
            return found, after


_IN_LINE = "{0}.order_key IS NOT NULL AND ({0}.due_at IS NOT NULL OR {0}.status = 'dead')"
_NONE_ON_ITS_WAY = f"""
    NOT EXISTS (SELECT 1 FROM deliveries_delivery a
                WHERE a.webhook_id = {{0}}.webhook_id AND a.order_key = {{0}}.order_key AND a.due_at < {HELD_SQL})
"""

_LINE = {"webhook_id": "bigint", "order_key": "text"}
_HEAD = f"""
    (SELECT h.id FROM deliveries_delivery h
     WHERE h.webhook_id = line.webhook_id AND h.order_key = line.order_key AND {_IN_LINE.format("h")}
     ORDER BY h.webhook_id, h.order_key, h.id LIMIT 1)
"""
_HEADS = f"SELECT {_HEAD} FROM {{source}} WHERE {_NONE_ON_ITS_WAY.format('line')}"
_AHEAD = f"""
    SELECT line.webhook_id, line.order_key, COALESCE(
        (SELECT a.id FROM deliveries_delivery a
         WHERE a.webhook_id = line.webhook_id AND a.order_key = line.order_key AND a.due_at < {HELD_SQL}), {_HEAD})
    FROM {{source}}
"""

# A head in review is no longer open, so it stays as it is. One that was cancelled meanwhile does, too; whoever did that
# comes here next.
_RELEASE = f"""
    UPDATE deliveries_delivery SET due_at = now() WHERE id IN ({{marks}}) AND due_at = {HELD_SQL} RETURNING webhook_id
"""

# One probe of the index a line, however many deliveries it holds: the first entry of a line is its head.
_NEXT_LINE = f"""
    SELECT d.id FROM deliveries_delivery d
    WHERE {_IN_LINE.format("d")} AND (d.webhook_id, d.order_key) > ({{webhook}}, {{key}})
    ORDER BY d.webhook_id, d.order_key, d.id LIMIT 1
"""
_LOOK = f"""
    WITH RECURSIVE head(nth, webhook_id, order_key, due_at) AS (
        SELECT 1, f.webhook_id, f.order_key, f.due_at FROM deliveries_delivery f
        WHERE f.id = ({_NEXT_LINE.format(webhook="%s", key="%s")})
        UNION ALL
        SELECT head.nth + 1, n.webhook_id, n.order_key, n.due_at FROM head JOIN deliveries_delivery n
            ON n.id = ({_NEXT_LINE.format(webhook="head.webhook_id", key="head.order_key")})
        WHERE head.nth < %s
    )
    SELECT webhook_id, order_key, due_at = {HELD_SQL} AND {_NONE_ON_ITS_WAY.format("head")}, nth FROM head
"""


def _lock(webhook_ids: Collection[int]) -> None:
    """Take turns with others that advance lines of these webhooks, until the commit.

    The heads are looked for in the next statement: its snapshot holds whatever the lock's last owner committed.
    SQLite's IMMEDIATE transaction has but one writer.
    """
    if is_postgres():
        keys = sorted({webhook_id % 2147483647 for webhook_id in webhook_ids})
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, key) FROM unnest(%s::int[]) AS key", [LOCK_SPACE, keys])


def _release(lines: Collection[Line]) -> set[int]:
    source, parameters = rows_source("line", _LINE, list(lines))
    with connection.cursor() as cursor:
        cursor.execute(_HEADS.format(source=source), parameters)
        heads = [pk for (pk,) in cursor.fetchall() if pk is not None]
        if not heads:
            return set()
        cursor.execute(_RELEASE.format(marks=", ".join(["%s"] * len(heads))), heads)
        return {webhook_id for (webhook_id,) in cursor.fetchall()}


def why_held(delivery: Delivery, ahead: Delivery | None) -> str:
    """Return that a held delivery waits for the one `ahead_of` it, as a sentence; empty for one that isn't held."""
    if not delivery.is_held:
        return ""
    if ahead is None:
        return "It is the next in its line and is sent in a moment."
    state = Delivery.Status(ahead.status).label.lower()
    return f"It waits in line behind {ahead.public_id}, which is {state}."


def ahead_of(delivery: Delivery) -> Delivery | None:
    """Return what a held delivery waits for; None if it isn't held, or nothing stands before it any more."""
    return all_ahead([delivery]).get(delivery.pk)


def all_ahead(deliveries: Iterable[Delivery]) -> dict[int, Delivery]:
    """Return what the held ones among these wait for: what is on its way in their line, else the first of the line."""
    lines = {row.pk: Line(row.webhook_id, row.order_key or "") for row in deliveries if row.is_held}
    if not lines:
        return {}
    source, parameters = rows_source("line", _LINE, sorted(set(lines.values())))
    with connection.cursor() as cursor:
        cursor.execute(_AHEAD.format(source=source), parameters)
        first = {Line(webhook_id, key): pk for webhook_id, key, pk in cursor.fetchall()}
    found = Delivery.objects.in_bulk([pk for pk in first.values() if pk is not None])
    ahead = {pk: found.get(first.get(line)) for pk, line in lines.items()}
    return {pk: other for pk, other in ahead.items() if other is not None and other.pk != pk}
