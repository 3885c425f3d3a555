"""What outcomes do to their lanes: the window of open requests, the run of failures, and the counters of the charts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from deliveries import counters
from deliveries.counters import LATENESS, Count
from deliveries.database import insert_rows
from deliveries.judging import Judged
from deliveries.retry import Dead

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
        failures = excluded.failures
            + CASE WHEN excluded.last_success_at IS NULL THEN deliveries_lane.failures ELSE 0 END,
        failing_since = CASE WHEN excluded.last_success_at IS NOT NULL THEN excluded.failing_since
            ELSE COALESCE(deliveries_lane.failing_since, excluded.failing_since) END,
        last_success_at = COALESCE(excluded.last_success_at, deliveries_lane.last_success_at),
        last_failure_at = COALESCE(excluded.last_failure_at, deliveries_lane.last_failure_at)
"""


def update(judged: Sequence[Judged]) -> None:
    """Bring lanes and counters up to date with a chunk of outcomes; inside its transaction, one statement each."""
    by_webhook: dict[int, list[Judged]] = defaultdict(list)
    for each in judged:
        by_webhook[each.sent.row.target.webhook_id].append(each)
    rows = [_lane_row(pk, sorted(group, key=lambda each: each.answered_at)) for pk, group in sorted(by_webhook.items())]
    insert_rows("deliveries_lane", _LANE, rows, tail=_LANE_CONFLICT)
    counters.add(_counts(judged))


def _lane_row(webhook_id: int, group: Sequence[Judged]) -> tuple[object, ...]:
    target = group[0].sent.row.target
    window = max(each.sent.row.target.window for each in group)
    success: datetime | None = None
    failing_since: datetime | None = None
    last_failure: datetime | None = None
    failures = 0
    for each in group:
        # No answer at all: one at a time until there is one.
        window = 1 if each.sent.outcome.status_code is None else min(window * 2, target.cap)
        if each.sent.outcome.delivered:
            success, failing_since, failures = each.answered_at, None, 0
        else:
            last_failure, failures = each.answered_at, failures + 1
            failing_since = failing_since or each.answered_at
    return webhook_id, window, failures, failing_since, success, last_failure


def _counts(judged: Sequence[Judged]) -> Iterator[Count]:
    for each in judged:
        row = each.sent.row
        key = (row.target.merchant_id, row.target.webhook_id, each.answered_at)
        result = "delivered" if each.sent.outcome.delivered else "dead" if isinstance(each.decision, Dead) else "failed"
        yield Count(*key, result, each.sent.outcome.total_ms or 0.0)
        if row.attempt == 1:
            yield Count(*key, LATENESS, max(0.0, (each.started_at - row.due_at).total_seconds() * 1000))
