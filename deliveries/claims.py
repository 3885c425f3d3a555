"""Claims: due deliveries of many lanes become this process' to send, under a token that is the fence.

Nobody else sends a row while its claim lasts; a claim covers the request's whole deadline and a grace. A claim whose
worker died simply runs out: the row is due again, and the next claim finds it in state `sending`.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from deliveries import claim_sql, expiry, interruptions, ordering, throttle
from deliveries.claim_sql import Row
from deliveries.database import as_datetime, borrowed, clock, insert_rows, is_postgres, rows_source, sqlite_time
from deliveries.models.codes import encode
from deliveries.targets import Target, target_of_row
from subscriptions import ids

SUSPECT_AFTER = 2
"""Interruptions in a row from which on a delivery may be what kills the workers (docs/adr/0006)."""


@dataclass(slots=True)
class Claimed:
    """A delivery that is ours to send until `expires_at` (the database's clock)."""

    target: Target
    token: int
    delivery_id: int
    attempt: int
    tries: int
    interruptions: int
    event_id: str
    event_type: str
    data: str
    resource_id: str
    occurred_at: datetime
    size: int
    due_at: datetime
    expires_at: datetime

    @property
    def public_id(self) -> str:
        """The delivery's `dlv_…` code."""
        return encode(ids.DELIVERY, self.delivery_id)

    @property
    def is_suspect(self) -> bool:
        """Tell whether its worker died so often while sending it that it is sent one at a time."""
        return self.interruptions >= SUSPECT_AFTER


@dataclass(slots=True)
class Batch:
    """What one claim brought.

    `busy`: lanes that another claim is at. `full`: more may be due than it could take. `throttled`: lanes whose rate
    limit is used up, with the seconds until it allows the next request.
    """

    rows: list[Claimed] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    full: bool = False
    throttled: dict[int, float] = field(default_factory=dict)


def claim(webhook_ids: Sequence[int], *, limit: int, max_bytes: int) -> Batch:
    """Claim what is due in these lanes: at most `limit` deliveries and about `max_bytes` of event data, oldest first.

    A lane gives at most its free in-flight places. Paused, disabled, deleted and rate-limited lanes give nothing.
    """
    token = secrets.randbits(62)
    with borrowed(), transaction.atomic():
        asked_at = time.monotonic()  # after waiting for a connection, before the database looks at its clock
        targets, busy, now = _lock_lanes(webhook_ids)
        if not targets:
            return Batch(busy=busy)
        clock.set(now, asked_at)
        rows = _take(targets, token, limit, max_bytes, now)
        too_old = expiry.too_old(rows, targets)
        throttled = _throttle(targets, [row for row in rows if row.delivery_id not in too_old], now)
        died = [row for row in rows if row.was_interrupted]
        buried = interruptions.log(died, targets, too_old) if died else set()
        lines = expiry.close(rows, too_old.keys() - buried, targets)
        ended = buried | too_old.keys()
        lines |= ordering.lines_of((row.webhook_id, row.order_key) for row in rows if row.delivery_id in ended)
    if lines:
        with borrowed():
            ordering.move_on(lines, wake=False)  # after the commit; the batch counts as full: the lanes are given back
    claimed = [_claimed(row, targets[row.webhook_id], token) for row in rows if row.delivery_id not in ended]
    claimed.sort(key=lambda row: (row.due_at, row.delivery_id))  # RETURNING promises no order
    total = sum(row.size for row in claimed)
    full = bool(ended) or len(rows) >= limit or total >= max_bytes // 2
    return Batch(claimed, busy, full, throttled)


def release(rows: Sequence[Claimed], *, delay: float = 0.0) -> None:
    """Give rows back unsent, due as they were, or `delay` seconds from now."""
    by_token: dict[int, list[Claimed]] = {}
    for row in rows:
        by_token.setdefault(row.token, []).append(row)
    later = clock.at(time.monotonic()) + timedelta(seconds=delay) if delay else None
    with borrowed(), transaction.atomic(), connection.cursor() as cursor:
        for token, group in by_token.items():
            dues = [(row.delivery_id, later or row.due_at) for row in group]
            source, parameters = rows_source("r", claim_sql.RELEASED, dues)
            cursor.execute(claim_sql.RELEASE.format(source=source), [*parameters, token])


def due_lanes() -> tuple[list[int], list[int]]:
    """Return the lanes with something due: those that may send, and those whose webhook is disabled or deleted."""
    with borrowed(), connection.cursor() as cursor:
        cursor.execute(claim_sql.DUE_LANES)
        rows = cursor.fetchall()
    return [pk for pk, may_send in rows if may_send], [pk for pk, may_send in rows if not may_send]


def _lock_lanes(webhook_ids: Sequence[int]) -> tuple[dict[int, Target], list[int], datetime]:
    """Return the lanes that may send and are ours until the commit, those another claim is at, and the time."""
    targets, busy, now = {}, [], datetime.min
    ids = list(webhook_ids)
    with connection.cursor() as cursor:
        if is_postgres():
            cursor.execute(claim_sql.LANES_POSTGRES, {"space": claim_sql.LOCK_SPACE, "lanes": ids})
        else:
            cursor.execute(claim_sql.LANES_SQLITE, {"lanes": json.dumps(ids)})
        for *row, now, locked in cursor.fetchall():  # noqa: B007 - the same in every row
            if locked:
                targets[row[0]] = target_of_row(row)
            else:
                busy.append(row[0])
    return targets, busy, as_datetime(now)


def _throttle(targets: Mapping[int, Target], rows: Sequence[Row], now: datetime) -> dict[int, float]:
    """Charge what was taken to the lanes' rate limits; return the lanes that must wait, with the seconds."""
    taken = Counter(row.webhook_id for row in rows if targets[row.webhook_id].rate_limit)
    waits, charged = {}, []
    for webhook_id, count in sorted(taken.items()):
        target = targets[webhook_id]
        until = throttle.after(target.rate_limit or math.inf, target.blocked_until, now, count)
        charged.append((webhook_id, until))
        if until > now:
            waits[webhook_id] = (until - now).total_seconds()
    insert_rows("deliveries_lane", claim_sql.THROTTLED, charged, tail=claim_sql.THROTTLE)
    return waits


def _take(targets: Mapping[int, Target], token: int, limit: int, max_bytes: int, now: datetime) -> list[Row]:
    lanes = [
        (
            target.webhook_id,
            min(target.window, target.cap),
            throttle.allowed(target.rate_limit, target.blocked_until, now) if target.rate_limit else target.cap,
            target.timeout + settings.WEBHOOKS_CLAIM_GRACE,
        )
        for target in targets.values()
    ]
    bounds = {"limit": limit, "bytes": max_bytes, "token": token}
    with connection.cursor() as cursor:
        if is_postgres():
            columns = zip(("lanes", "places", "most", "seconds"), map(list, zip(*lanes, strict=True)), strict=True)
            cursor.execute(claim_sql.CLAIM_POSTGRES, bounds | dict(columns))
            return [Row(*values) for values in cursor.fetchall()]
        cursor.execute(claim_sql.CHOOSE_SQLITE, bounds | {"lanes": json.dumps(lanes)})
        found = [(claim_sql.row_of(values, as_datetime), seconds) for *values, seconds in cursor.fetchall()]
        until = [[row.delivery_id, sqlite_time(row.now + timedelta(seconds=seconds))] for row, seconds in found]
        cursor.execute(claim_sql.CLAIM_SQLITE, {"token": token, "rows": json.dumps(until)})
        return [_as_updated(row) for row, _seconds in found]


def _as_updated(row: Row) -> Row:
    """Bring a row that SQLite read before its update to what PostgreSQL's RETURNING gives after it."""
    died = int(row.was_interrupted)
    return row._replace(attempt_count=row.attempt_count + died, interruptions=row.interruptions + died)


def _claimed(row: Row, target: Target, token: int) -> Claimed:
    return Claimed(
        target=target,
        token=token,
        delivery_id=row.delivery_id,
        attempt=row.attempt_count + 1,
        tries=row.tries,
        interruptions=row.interruptions,
        event_id=row.event_id,
        event_type=row.event_type,
        data=row.data,
        resource_id=row.resource_id,
        occurred_at=row.occurred_at,
        size=row.size,
        due_at=row.was_due,
        expires_at=row.now + timedelta(seconds=target.timeout + settings.WEBHOOKS_CLAIM_GRACE),
    )
