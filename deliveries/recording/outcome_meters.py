"""What a recorded chunk of outcomes adds to the metrics: some two microseconds an outcome (`bench/meters.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from deliveries import meters
from deliveries.recording.decided_outcomes import DecidedOutcome
from subscriptions import tallies
from subscriptions.webhook_rules import PULL

_RESULTS: Final = {
    status: meters.ATTEMPTS.field(result)
    for status, result in (("delivered", "delivered"), ("retrying", "failed"), ("dead", "dead"))
}
_CLASSES: Final = {hundred: meters.OUTCOMES.field(f"{hundred}xx") for hundred in range(1, 10)}


def count(decided: Sequence[DecidedOutcome], seconds: float) -> None:
    """Count outcomes that are in the database now; `seconds`: how long it took to record them."""
    counts: dict[str, int] = {}
    meters.RECORDING.add_to(counts, seconds)
    for each in decided:
        outcome, row = each.sent.outcome, each.sent.row
        result, status = _RESULTS[each.status], outcome.status_code
        kind = _CLASSES[status // 100] if status else meters.OUTCOMES.field(str(outcome.error))
        counts[result] = counts.get(result, 0) + 1
        counts[kind] = counts.get(kind, 0) + 1
        meters.RESPONDING.add_to(counts, (outcome.total_ms or 0.0) / 1000)
        if row.attempt == 1 and row.webhook.kind != PULL:
            meters.LATENESS.add_to(counts, max(0.0, (each.started_at - row.due_at).total_seconds()))
    tallies.keep_all(counts)
