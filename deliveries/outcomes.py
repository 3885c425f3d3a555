"""What a chunk of outcomes does to the database: attempts, deliveries, dead letters, counters, lanes; one commit."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from deliveries import attempt_log, burial, claim_sql, interruptions, lane_state, ordering
from deliveries.database import borrowed, rows_source
from deliveries.judging import Judged, judge
from deliveries.lanes import WORKER_ID
from deliveries.models import Attempt, Delivery
from deliveries.ordering import Line
from deliveries.retry import Dead, Delivered, Retry
from deliveries.sender import Sent
from subscriptions import services
from subscriptions.models import Webhook


@dataclass(slots=True)
class Recorded:
    """What follows from a chunk: lanes with more due now, and countdown wake-ups, seconds → webhook ids."""

    still_due: list[int] = field(default_factory=list)
    countdowns: dict[float, list[int]] = field(default_factory=dict)


def record(chunk: Sequence[Sent], *, again: bool = False) -> Recorded:
    """Write a chunk of outcomes in one transaction; rows in id order, so that two recorders can't deadlock.

    The claim token is the fence: under a stale token the attempt is still logged, a success still closes an open
    delivery, and a failure changes nothing. `again`: writing it failed before; the commit may have gone through all
    the same, its answer lost with the connection.
    """
    judged = [judge(sent) for sent in sorted(chunk, key=lambda sent: sent.row.delivery_id)]
    webhook_ids = sorted({each.sent.row.target.webhook_id for each in judged})
    with borrowed():
        lines = _closed_lines(judged) if again and _is_written(judged[0].sent) else _write(judged)
        ordering.move_on(lines, wake=False)  # after the commit; what it lets go is among the lanes below
    return Recorded(_still_due(webhook_ids), _countdowns(judged))


def _is_written(sent: Sent) -> bool:
    """Tell whether an attempt stands in the log; its chunk then does, for they share a transaction.

    A delivery's attempts of one number by one worker are one: it never claims a row whose outcome it has in hand.
    """
    mine = Attempt.objects.filter(delivery_id=sent.row.delivery_id, number=sent.row.attempt, worker=WORKER_ID)
    return mine.exists()


def _closed_lines(judged: Sequence[Judged]) -> set[Line]:
    """Return the lines of what a chunk closed whose commit went through unheard."""
    closed = Delivery.objects.filter(pk__in=[_pk(each) for each in judged], due_at=None)
    return ordering.lines_of(closed.values_list("webhook_id", "order_key"))


def _write(judged: Sequence[Judged]) -> set[Line]:
    """Write the chunk; return the lines of what it closed."""
    with transaction.atomic():
        moved, lines = _move(judged)
        for each in judged:
            if _pk(each) not in moved:  # a late outcome: only the log and its count take note of it
                late = Delivery.objects.filter(pk=_pk(each), attempt_count__lt=each.sent.row.attempt)
                late.update(attempt_count=each.sent.row.attempt)
        if overtaken := [pk for pk, claim in moved.items() if claim is not None]:
            interruptions.log_overtaken(overtaken)
        attempt_log.write(judged)
        burial.open_dead_letters(
            [each.sent.row.delivery_id for each in judged if isinstance(each.decision, Dead) and _pk(each) in moved]
        )
        _disable_gone(judged)
        lane_state.update(judged)
    return lines


def _pk(each: Judged) -> int:
    return each.sent.row.delivery_id


# The row is still under this outcome's claim, or, if not, the outcome is a success and the row is open. A claim that is
# left is another's: it is sending the row right now, and will find it closed.
_MOVE = """
    UPDATE deliveries_delivery AS d
    SET status = o.status,
        due_at = o.next_at,
        closed_at = CASE WHEN o.next_at IS NULL THEN now() END,
        claim = CASE WHEN d.claim = o.token THEN NULL ELSE d.claim END,
        tries = d.tries + CASE WHEN d.claim = o.token THEN 1 ELSE 0 END,
        attempt_count = d.attempt_count + CASE WHEN d.claim = o.token THEN 1 ELSE 0 END,
        interruptions = 0,
        reason = CASE WHEN o.status = 'dead' THEN o.reason ELSE '' END,
        last_status_code = o.status_code,
        last_error = o.error,
        last_attempt_at = o.answered_at,
        response_ms = o.response_ms
    FROM {source}
    WHERE d.id = o.delivery_id
      AND ((d.claim = o.token AND d.status = 'sending') OR (o.status = 'delivered' AND d.due_at IS NOT NULL))
    RETURNING id, claim, webhook_id, order_key, due_at
"""
_COLUMNS = {
    "delivery_id": "bigint",
    "token": "bigint",
    "status": "text",
    "next_at": "timestamptz",
    "reason": "text",
    "status_code": "int",
    "error": "text",
    "answered_at": "timestamptz",
    "response_ms": "float8",
}


def _move(judged: Sequence[Judged]) -> tuple[dict[int, int | None], set[Line]]:
    """Move the deliveries on, and overrule the failures whose claim is no longer in force.

    Returns the keys of those that moved, with the claim of another that is sending them, and the lines of those that
    are closed now.
    """
    moved: dict[int, int | None] = {}
    closed: set[Line] = set()
    for wave in _waves(judged):
        source, parameters = rows_source("o", _COLUMNS, [_moved(each) for each in wave])
        with connection.cursor() as cursor:
            cursor.execute(_MOVE.format(source=source), parameters)
            rows = cursor.fetchall()
        closed |= ordering.lines_of(
            (webhook_id, key) for _pk, _claim, webhook_id, key, due_at in rows if due_at is None
        )
        now_moved = {pk: claim for pk, claim, *_others in rows}
        moved |= now_moved
        for each in wave:
            if _pk(each) not in now_moved and not each.sent.outcome.delivered:
                each.overrule()
    return moved, closed


def _waves(judged: Sequence[Judged]) -> list[list[Judged]]:
    """Split a chunk so that each part names a delivery once: of two outcomes, one statement would take either.

    A delivery comes twice where a process stood still for longer than a claim lasts, and claimed it anew: the late
    outcome and the present one meet here. Successes go first, so that none of them is followed by another attempt.
    """
    waves: list[list[Judged]] = []
    named: Counter[int] = Counter()
    for each in sorted(judged, key=lambda each: (_pk(each), not each.sent.outcome.delivered)):
        if named[_pk(each)] == len(waves):
            waves.append([])
        waves[named[_pk(each)]].append(each)
        named[_pk(each)] += 1
    return waves


def _moved(each: Judged) -> tuple[object, ...]:
    outcome, row = each.sent.outcome, each.sent.row
    status = {Delivered: Delivery.Status.DELIVERED, Retry: Delivery.Status.RETRYING, Dead: Delivery.Status.DEAD}
    return (
        row.delivery_id,
        row.token,
        status[type(each.decision)].value,
        each.next_at,
        each.decision.reason,
        outcome.status_code,
        str(outcome.error or ""),
        each.answered_at,
        outcome.total_ms,
    )


def _disable_gone(judged: Sequence[Judged]) -> None:
    gone = {
        each.sent.row.target.webhook_id
        for each in judged
        if isinstance(each.decision, Dead) and each.decision.disable_webhook
    }
    for webhook in Webhook.objects.filter(pk__in=gone, is_enabled=True):
        with contextlib.suppress(ValidationError):  # deleted at this very moment
            services.disable(webhook=webhook, reason="The endpoint answered 410 Gone.")


def _still_due(webhook_ids: list[int]) -> list[int]:
    """Return the lanes with more to do.

    Asked after the commit: a shift that looked before it found these lanes at their cap and has put them aside.
    """
    marks = ", ".join(["%s"] * len(webhook_ids))
    with borrowed(), connection.cursor() as cursor:
        cursor.execute(claim_sql.STILL_DUE.format(places=marks), webhook_ids)
        return [pk for (pk,) in cursor.fetchall()]


def _countdowns(judged: Sequence[Judged]) -> dict[float, list[int]]:
    """Return one countdown for each delay of the chunk, seconds → lanes; jittered delays share the next quarter second.

    It runs from the time of recording, so it is never early for any outcome of the chunk and late by no more than the
    chunk took. Delays past the horizon are left to the sweep: Redis would deliver them again and again (docs/adr/0003).
    """
    groups: dict[float, set[int]] = {}
    for each in judged:
        if each.next_at is None or not isinstance(each.decision, Retry):
            continue
        if each.decision.delay <= settings.WEBHOOKS_COUNTDOWN_HORIZON:
            groups.setdefault(math.ceil(each.decision.delay * 4) / 4, set()).add(each.sent.row.target.webhook_id)
    return {delay: sorted(ids) for delay, ids in groups.items()}
