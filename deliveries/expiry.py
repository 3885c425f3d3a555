"""Expiry: a delivery too old to matter is closed when its turn comes, in the claim's transaction, and never sent.

Nothing looks for old deliveries: a claim meets them. Where it met one, it closes those behind it in the lane and in the
line that are as old, so that a long outage's backlog is gone in a few claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from deliveries import debounce, ordering
from deliveries.claim_sql import Row
from deliveries.database import rows_source
from deliveries.models import Delivery
from deliveries.models.deliveries import HELD, IN_LINE
from deliveries.ordering import Line
from deliveries.retry_policy import duration
from deliveries.targets import Target

REASON = "Expired: it was {age} old when its turn came; what is older than {limit} is not sent to this webhook."
CHUNK = 500
"""Deliveries of a lane, and of each line, that a claim closes besides those it met."""


class Old(NamedTuple):
    """A delivery to close."""

    delivery_id: int
    created_at: datetime


def too_old(rows: Iterable[Row], targets: Mapping[int, Target]) -> dict[int, str]:
    """Return delivery id → reason for claimed rows that are too old for their webhook.

    Those that were replayed never are: a person wants them.
    """
    found = {}
    for row in rows:
        limit = targets[row.webhook_id].expire_after
        if limit is not None and not row.replays and (row.now - row.created_at).total_seconds() > limit:
            found[row.delivery_id] = _reason(row.now - row.created_at, limit)
    return found


def close(rows: Sequence[Row], expired: Iterable[int], targets: Mapping[int, Target]) -> set[Line]:
    """Cancel these of the claimed rows, and what is as old behind them; inside the claim's transaction.

    Returns the lines of what was closed besides them.
    """
    keys = frozenset(expired)
    met = [row for row in rows if row.delivery_id in keys]
    lines: set[Line] = set()
    for webhook_id in sorted({row.webhook_id for row in met}):
        mine = [row for row in met if row.webhook_id == webhook_id]
        keys_of_lines = {row.order_key for row in mine if row.order_key is not None}
        lines |= clear(targets[webhook_id], mine[0].now, [Old(row.delivery_id, row.created_at) for row in mine],
                       keys_of_lines)  # fmt: skip
    return lines


def clear(target: Target, now: datetime, met: Sequence[Old] = (), keys: Iterable[str] = ()) -> set[Line]:
    """Cancel `met`, and what is due in the lane or held in its lines `keys` and too old; return the latter's lines.

    Rows that somebody has locked are passed over: a claim waits for nobody.
    """
    limit = target.expire_after
    if limit is None:
        return set()
    before = now - timedelta(seconds=limit)
    waiting = (
        Delivery.objects.filter(webhook_id=target.webhook_id, replays=0, created_at__lt=before)
        .filter(status__in=(Delivery.Status.PENDING, Delivery.Status.RETRYING))
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
    )
    # What was due before that is older still: the range of the index holds little else.
    due = waiting.filter(due_at__lt=before).order_by("due_at", "pk")
    found = list(due.values_list("pk", "created_at", "order_key")[:CHUNK])
    for key in sorted(keys):
        # A line is read from its front, no further than CHUNK: its rows are as old as their ids say.
        front = Delivery.objects.filter(IN_LINE, webhook_id=target.webhook_id, order_key=key).order_by("pk")[:CHUNK]
        held = waiting.filter(due_at=HELD, pk__in=list(front.values_list("pk", flat=True)))
        found += held.order_by("pk").values_list("pk", "created_at", "order_key")
    _cancel({*met, *(Old(pk, created_at) for pk, created_at, _key in found)}, now, limit)
    if target.fields and (met or found):
        debounce.forget([target.webhook_id], wait=False)
    return ordering.lines_of((target.webhook_id, key) for _pk, _created_at, key in found)


def _cancel(rows: Iterable[Old], now: datetime, limit: int) -> None:
    reasons = [(row.delivery_id, _reason(now - row.created_at, limit)) for row in sorted(rows)]
    if not reasons:
        return
    source, parameters = rows_source("r", {"id": "bigint", "reason": "text"}, reasons)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE deliveries_delivery AS d SET status = 'cancelled', reason = r.reason, due_at = NULL, claim = NULL, "
            f"closed_at = now() FROM {source} WHERE d.id = r.id",
            parameters,
        )


def _reason(age: timedelta, limit: int) -> str:
    return REASON.format(age=duration(age.total_seconds()), limit=duration(limit))
