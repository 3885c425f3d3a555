"""What outcomes do to the webhooks' state (window of open requests, run of failures) and to the charts' counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from deliveries.db.arrays import columns
from deliveries.db.counters import LATENESS, Count
from deliveries.recording.decided_outcomes import DecidedOutcome
from deliveries.recording.decisions import Dead
from subscriptions.webhook_rules import PULL

SUCCESS_PRECISION = 1.0
"""Seconds by which the time of a webhook's last success may be behind, while it has no failure."""

_COLUMNS = ("webhook_id", "window", "failures", "failing_since", "last_success_at", "last_failure_at")


def arrays(decided: Sequence[DecidedOutcome]) -> dict[str, str]:
    """Return the parameters by which a chunk brings the webhooks' state up to date: `state_…` arrays."""
    by_webhook: dict[int, list[DecidedOutcome]] = defaultdict(list)
    for each in decided:
        by_webhook[each.sent.row.webhook.webhook_id].append(each)
    rows = [
        _state_row(pk, sorted(group, key=lambda each: each.answered_at)) for pk, group in sorted(by_webhook.items())
    ]
    return {f"state_{name}": values for name, values in columns(_COLUMNS, rows).items()}


def _state_row(webhook_id: int, group: Sequence[DecidedOutcome]) -> tuple[object, ...]:
    webhook = group[0].sent.row.webhook
    window = max(each.sent.row.window for each in group)
    success: datetime | None = None
    failing_since: datetime | None = None
    last_failure: datetime | None = None
    failures = 0
    for each in group:
        # No answer at all: one at a time until there is one.
        window = 1 if each.sent.outcome.status_code is None else min(window * 2, webhook.cap)
        if each.sent.outcome.delivered:
            success, failing_since, failures = each.answered_at, None, 0
        else:
            last_failure, failures = each.answered_at, failures + 1
            failing_since = failing_since or each.answered_at
    return webhook_id, window, failures, failing_since, success, last_failure


def counts(decided: Sequence[DecidedOutcome]) -> Iterator[Count]:
    """Yield what a chunk adds to the counters."""
    for each in decided:
        row = each.sent.row
        key = (row.webhook.merchant_id, row.webhook.webhook_id, each.answered_at)
        result = "delivered" if each.sent.outcome.delivered else "dead" if isinstance(each.decision, Dead) else "failed"
        yield Count(*key, result, each.sent.outcome.total_ms or 0.0)
        if row.attempt == 1 and row.webhook.kind != PULL:  # a feed's consumer takes its time; we are not late
            yield Count(*key, LATENESS, max(0.0, (each.started_at - row.due_at).total_seconds() * 1000))
