"""Writing notices: occurrences of one kind at one webhook gather in one open row until it is mailed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from deliveries.database import insert_rows
from deliveries.models import Notice

_COLUMNS = {
    "merchant_id": "bigint",
    "webhook_id": "bigint",
    "kind": "text",
    "count": "int",
    "first_at": "timestamptz",
    "last_at": "timestamptz",
    "reason": "text",
    "due_at": "timestamptz",
}
_ADD = """
    ON CONFLICT (webhook_id, kind) WHERE closed_at IS NULL DO UPDATE SET
        count = deliveries_notice.count + excluded.count,
        first_at = CASE WHEN excluded.first_at < deliveries_notice.first_at THEN excluded.first_at
            ELSE deliveries_notice.first_at END,
        last_at = CASE WHEN excluded.last_at > deliveries_notice.last_at THEN excluded.last_at
            ELSE deliveries_notice.last_at END,
        reason = excluded.reason
"""


@dataclass(slots=True)
class Happening:
    """`count` occurrences of one kind at one webhook between two moments; `reason` is the last one's, a sentence."""

    merchant_id: int
    webhook_id: int
    kind: Notice.Kind
    first_at: datetime
    last_at: datetime
    reason: str
    count: int = 1


def write(happenings: Sequence[Happening]) -> None:
    """Add to the open notices, or open some, inside the caller's transaction. One of each (webhook, kind) at most."""
    if not happenings:
        return
    # In key order: two writers can't deadlock.
    ordered = sorted(happenings, key=lambda each: (each.webhook_id, each.kind))
    closed = _last_closed([each.webhook_id for each in ordered])
    now = timezone.now()
    insert_rows("deliveries_notice", _COLUMNS, [_row(each, closed, now) for each in ordered], tail=_ADD)


def _row(each: Happening, closed: dict[tuple[int, str], datetime], now: datetime) -> tuple[Any, ...]:
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
