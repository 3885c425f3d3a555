"""What outcomes do to their lanes: the window of open requests, the run of failures, and the counters of the charts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from deliveries import stats
from deliveries.database import insert_rows
from deliveries.retry import Dead

if TYPE_CHECKING:
    from deliveries.outcomes import Judged

_LANE = {
    "webhook_id": "bigint",
    "window": "int",
    "failures": "int",
    "failing_since": "timestamptz",
    "last_success_at": "timestamptz",
    "last_failure_at": "timestamptz",
}
# A chunk that holds a success ends the run of failures; one that holds none lengthens it.
_LANE_CONFLICT = """
    ON CONFLICT (webhook_id) DO UPDATE SET
        "window" = excluded."window",
        failures = CASE WHEN excluded.last_success_at IS NULL THEN deliveries_lane.failures ELSE 0 END + excluded.failures,
        failing_since = CASE WHEN excluded.last_success_at IS NOT NULL THEN excluded.failing_since
            ELSE COALESCE(deliveries_lane.failing_since, excluded.failing_since) END,
        last_success_at = COALESCE(excluded.last_success_at, deliveries_lane.last_success_at),
        last_failure_at = COALESCE(excluded.last_failure_at, deliveries_lane.last_failure_at)
"""
_COUNTER = {
    "merchant_id": "bigint",
    "webhook_id": "bigint",
    "bucket": "timestamptz",
    "result": "text",
    "band": "int",
    "count": "int",
    "total_ms": "float8",
}
_COUNTER_CONFLICT = """
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
        count = deliveries_counter.count + excluded.count, total_ms = deliveries_counter.total_ms + excluded.total_ms
"""


def update(judged: Sequence[Judged]) -> None:
    """Bring lanes and counters up to date with a chunk of outcomes; inside its transaction, one statement each."""
    by_webhook: dict[int, list[Judged]] = defaultdict(list)
    for each in judged:
        by_webhook[each.sent.row.target.webhook_id].append(each)
    rows = [_lane_row(pk, sorted(group, key=lambda each: each.answered_at)) for pk, group in sorted(by_webhook.items())]
    insert_rows("deliveries_lane", {_quoted(name): kind for name, kind in _LANE.items()}, rows, tail=_LANE_CONFLICT)
    insert_rows("deliveries_counter", _COUNTER, _counter_rows(judged), tail=_COUNTER_CONFLICT)


def _quoted(name: str) -> str:
    return f'"{name}"' if name == "window" else name


def _lane_row(webhook_id: int, group: Sequence[Judged]) -> tuple[object, ...]:
    target = group[0].sent.row.target
    window = max(each.sent.row.target.window for each in group)
    success: datetime | None = None
    failing_since: datetime | None = None
    last_failure: datetime | None = None
    failures = 0
    for each in group:
        if each.sent.outcome.status_code is None:
            window = 1  # no answer at all: one at a time until there is one
        else:
            window = min(window * 2, target.cap)
        if each.sent.outcome.delivered:
            success, failing_since, failures = each.answered_at, None, 0
        else:
            last_failure, failures = each.answered_at, failures + 1
            failing_since = failing_since or each.answered_at
    return webhook_id, window, failures, failing_since, success, last_failure


def _counter_rows(judged: Sequence[Judged]) -> list[tuple[object, ...]]:
    cells: dict[tuple[int, int, datetime, str, int], list[float]] = defaultdict(lambda: [0, 0.0])
    for each in judged:
        row, took = each.sent.row, each.sent.outcome.total_ms or 0.0
        bucket = stats.bucket_of(each.answered_at)
        key = (row.target.merchant_id, row.target.webhook_id, bucket)
        result = "delivered" if each.sent.outcome.delivered else "dead" if isinstance(each.decision, Dead) else "failed"
        _count(cells, (*key, result, stats.band_of(took)), took)
        if row.attempt == 1:
            late = max(0.0, (each.started_at - row.due_at).total_seconds() * 1000)
            _count(cells, (*key, stats.LATENESS, stats.band_of(late)), late)
    return [(*key, int(count), total) for key, (count, total) in sorted(cells.items())]


def _count(cells: dict[tuple[int, int, datetime, str, int], list[float]], key: tuple, took: float) -> None:
    cell = cells[key]
    cell[0] += 1
    cell[1] += took
