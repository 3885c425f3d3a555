"""Writing notices: occurrences of one kind at one webhook gather in one open row until it is mailed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils import timezone

from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import Notice
from subscriptions.conf import settings

_SQL = load(__file__, "notices.sql")
_COLUMNS = ("merchant_id", "webhook_id", "kind", "count", "first_at", "last_at", "reason", "due_at")


@dataclass(slots=True)
class Occurrence:
    """`count` occurrences of one kind at one webhook between two moments; `reason` is the last one's, a sentence."""

    merchant_id: int
    webhook_id: int
    kind: Notice.Kind
    first_at: datetime
    last_at: datetime
    reason: str
    count: int = 1


def write(occurrences: Sequence[Occurrence]) -> None:
    """Add to the open notices, or open some, inside the caller's transaction. One of each (webhook, kind) at most."""
    if not occurrences:
        return
    # In key order: two writers can't deadlock.
    ordered = sorted(occurrences, key=lambda each: (each.webhook_id, each.kind))
    closed = _last_closed([each.webhook_id for each in ordered])
    now = timezone.now()
    fetch(_SQL["gather"], columns(_COLUMNS, [_row(each, closed, now) for each in ordered]))


def _row(each: Occurrence, closed: dict[tuple[int, str], datetime], now: datetime) -> tuple[Any, ...]:
    due_at = now + timedelta(seconds=settings.WEBHOOKS_NOTICE_WAIT)
    if last := closed.get((each.webhook_id, each.kind)):
        due_at = max(due_at, last + timedelta(seconds=settings.WEBHOOKS_NOTICE_INTERVAL))
    return (
        each.merchant_id,
        each.webhook_id,
        each.kind.value,
        each.count,
        each.first_at,
        each.last_at,
        each.reason,
        due_at,
    )


def _last_closed(webhook_ids: Sequence[int]) -> dict[tuple[int, str], datetime]:
    since = timezone.now() - timedelta(seconds=settings.WEBHOOKS_NOTICE_INTERVAL)
    rows = Notice.objects.filter(webhook_id__in=webhook_ids, closed_at__gt=since).order_by()
    found = rows.values("webhook_id", "kind").annotate(last=Max("closed_at"))
    return {(row["webhook_id"], row["kind"]): row["last"] for row in found}
