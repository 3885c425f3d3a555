"""Late outcomes, whose claim is no longer in force: they are logged, a success counts, a failure changes nothing.

Most of these attempts stand in the log as interrupted, by whoever took the claim over. An attempt has one line: its
outcome takes that place, and is counted instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from deliveries import reasons
from deliveries.db import counters, dead_letters
from deliveries.db.arrays import columns, literal
from deliveries.db.counters import Count
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import Delivery
from deliveries.queueing import ordering, orphans
from deliveries.queueing.ordering import OrderingGroup
from deliveries.recording import attempt_log
from deliveries.recording.attempt_log import AttemptRow
from deliveries.recording.decided_outcomes import DecidedOutcome
from deliveries.recording.decisions import Dead

_SQL = load(__file__, "outcomes.sql")
_NAME = ("delivery_id", "number")


class _Move(NamedTuple):
    """What a late outcome would make of its delivery."""

    delivery_id: int
    token: int
    status: str
    next_at: datetime | None
    reason_code: str
    reason_values: Mapping[str, Any] | None
    status_code: int | None
    error: str
    answered_at: datetime
    total_ms: float | None


def write(late: Sequence[DecidedOutcome]) -> set[OrderingGroup]:
    """Write late outcomes in one transaction; return the ordering groups of what they closed.

    State and counters have taken note of them already, with the chunk they came in.
    """
    with transaction.atomic():
        moved, groups = _move(late)
        for each in late:
            if each.delivery_id not in moved:  # only the log takes note of it
                rows = Delivery.objects.filter(pk=each.delivery_id, attempt_count__lt=each.sent.row.attempt)
                rows.update(attempt_count=each.sent.row.attempt)
        if overtaken := [pk for pk, claim in moved.items() if claim is not None]:
            orphans.log_overtaken(overtaken)
        kept = set(Delivery.objects.filter(pk__in={each.delivery_id for each in late}).values_list("pk", flat=True))
        _log([each for each in late if each.delivery_id in kept])  # others were purged
        dead_letters.open_dead_letters(
            [each.delivery_id for each in late if isinstance(each.decision, Dead) and each.delivery_id in moved]
        )
    return groups


def _log(late: Sequence[DecidedOutcome]) -> None:
    """Write the log's lines, each in the place of the one that called the attempt interrupted."""
    if not late:
        return
    names = [(each.delivery_id, each.sent.row.attempt) for each in late]
    lines = {(row.delivery_id, row.number): row for row in fetch(_SQL["take_over"], columns(_NAME, names))}
    ids, counted = [], []
    for each, name in zip(late, names, strict=True):
        line, webhook = lines.get(name), each.sent.row.webhook
        ids.append(line and line.id)
        if line:
            each.note_late()
            counted.append(Count(webhook.merchant_id, webhook.webhook_id, line.started_at, counters.INTERRUPTED))
    fetch(
        _SQL["log_attempts"],
        {"id": literal(ids), **columns(AttemptRow._fields, [attempt_log.row_of(each) for each in late])},
    )
    counters.subtract(counted)


def _move(late: Sequence[DecidedOutcome]) -> tuple[dict[int, int | None], set[OrderingGroup]]:
    """Move the deliveries on, and overrule the failures whose claim is no longer in force.

    Returns the keys of those that moved, with the claim of another that is sending them, and the ordering groups of
    those that are closed now.
    """
    moved: dict[int, int | None] = {}
    closed: set[OrderingGroup] = set()
    for wave in _waves(late):
        rows = fetch(_SQL["move_late"], columns(_Move._fields, [_move_of(each) for each in wave]))
        closed |= ordering.groups_of((row.webhook_id, row.ordering_group) for row in rows if row.is_closed)
        now_moved = {row.id: row.claim_token for row in rows}
        moved |= now_moved
        for each in wave:
            if each.delivery_id not in now_moved and not each.sent.outcome.delivered:
                each.overrule()
    return moved, closed


def _waves(late: Sequence[DecidedOutcome]) -> list[list[DecidedOutcome]]:
    """Split them so that each part names a delivery once: of two outcomes, one statement would take either.

    A delivery comes twice where a process stood still for longer than a claim lasts, and claimed it anew: the late
    outcome and the present one meet here. Successes go first, so that none of them is followed by another attempt.
    """
    waves: list[list[DecidedOutcome]] = []
    named: Counter[int] = Counter()
    for each in sorted(late, key=lambda each: (each.delivery_id, not each.sent.outcome.delivered)):
        if named[each.delivery_id] == len(waves):
            waves.append([])
        waves[named[each.delivery_id]].append(each)
        named[each.delivery_id] += 1
    return waves


def _move_of(each: DecidedOutcome) -> _Move:
    outcome = each.sent.outcome
    reason_code, reason_values = reasons.columns(each.decision.reason)
    return _Move(
        delivery_id=each.delivery_id,
        token=each.sent.row.token,
        status=each.status,
        next_at=each.next_at,
        reason_code=reason_code,
        reason_values=reason_values,
        status_code=outcome.status_code,
        error=str(outcome.error or ""),
        answered_at=each.answered_at,
        total_ms=outcome.total_ms,
    )
