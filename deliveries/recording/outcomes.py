"""What a chunk of outcomes does to the database, in one statement, and what follows from it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from deliveries import reasons
from deliveries.db import counters
from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch, fetch_in_turn
from deliveries.db.sessions import borrowed
from deliveries.db.statements import load
from deliveries.models import Attempt, Delivery
from deliveries.queueing import claims, ordering
from deliveries.queueing.ordering import OrderingGroup
from deliveries.queueing.wakeups import WORKER_ID
from deliveries.recording import attempt_log, late_outcomes, outcome_meters, webhook_state
from deliveries.recording.attempt_log import AttemptRow
from deliveries.recording.decided_outcomes import DecidedOutcome, decide_outcome
from deliveries.recording.decisions import Dead, Retry
from deliveries.sending.sender import Sent
from subscriptions import services
from subscriptions.conf import settings
from subscriptions.models import Webhook

_SQL = load(__file__, "outcomes.sql")
_Written = tuple[set[OrderingGroup], list[int] | None]
"""The ordering groups of what was closed, and the webhooks with more due; None where that must be asked."""
_FENCE = ("token", "status", "reason_code", "reason_values")


@dataclass(slots=True)
class Recorded:
    """What follows from a chunk: webhooks with more due now, and countdown wake-ups, seconds → webhook ids."""

    still_due: list[int] = field(default_factory=list)
    countdowns: dict[float, list[int]] = field(default_factory=dict)


def record(chunk: Sequence[Sent], *, again: bool = False) -> Recorded:
    """Write a chunk of outcomes.

    The claim token is the fence: under a stale token the attempt is still logged, a success still closes an open
    delivery, and a failure changes nothing (see `late_outcomes`). `again`: writing it failed before; the commit may
    have gone through all the same, its answer lost with the connection.
    """
    began = time.monotonic()
    decided = [decide_outcome(sent) for sent in sorted(chunk, key=lambda sent: sent.row.delivery_id)]
    webhook_ids = sorted({each.sent.row.webhook.webhook_id for each in decided})
    with borrowed():
        groups, still_due = (_write_rest(decided), None) if again else _write(decided, webhook_ids)
        ordering.move_on(groups, wake=False)  # after the commit; what it lets go is among the webhooks below
        if groups or still_due is None:
            # Asked after the commit: a dispatcher that looked before it found these webhooks at their cap.
            still_due = claims.still_due(webhook_ids)
    outcome_meters.count(decided, time.monotonic() - began)
    if settings.WEBHOOKS_LOG_ATTEMPTS:
        attempt_log.tell(decided)
    return Recorded(still_due, _countdowns(decided))


def _write_rest(decided: Sequence[DecidedOutcome]) -> set[OrderingGroup]:
    """Write what is missing of a chunk that may be in the database; return the groups of what is closed.

    Its first commit holds all whose claim was in force, with the state and counters of the whole chunk; its second one
    the late outcomes. Where any outcome stands in the log, the first went through.
    """
    logged = _logged(decided)
    if not logged:
        return _write(decided, [])[0]
    rest = [each for each in decided if _attempt_of(each) not in logged]
    groups = _closed_groups(decided)
    return groups | late_outcomes.write(rest) if rest else groups


def _logged(decided: Sequence[DecidedOutcome]) -> set[tuple[int, int]]:
    """Return the keys and numbers of those attempts that stand in the log.

    A delivery's attempts of one number by one worker are one: it never claims a row whose outcome it has in hand.
    """
    mine = Attempt.objects.filter(delivery_id__in={each.delivery_id for each in decided}, worker=WORKER_ID)
    return set(mine.values_list("delivery_id", "number")) & {_attempt_of(each) for each in decided}


def _attempt_of(each: DecidedOutcome) -> tuple[int, int]:
    return each.delivery_id, each.sent.row.attempt


def _closed_groups(decided: Sequence[DecidedOutcome]) -> set[OrderingGroup]:
    """Return the ordering groups of what a chunk closed whose commit went through unheard."""
    closed = Delivery.objects.filter(pk__in=[each.delivery_id for each in decided], due_at=None)
    return ordering.groups_of(closed.values_list("webhook_id", "ordering_group"))


def _write(decided: Sequence[DecidedOutcome], webhook_ids: Sequence[int]) -> _Written:
    """Write the chunk; return the ordering groups of what it closed, and which of these webhooks have more due.

    A webhook that answered 410 is disabled in the same transaction: the place that its outcome gives back would let
    another claim send one more. Its row is locked first, as by everybody who changes a webhook.
    """
    gone = {
        each.sent.row.webhook.webhook_id
        for each in decided
        if isinstance(each.decision, Dead) and each.decision.disable_webhook
    }
    if not gone:
        return _write_and_ask(decided, webhook_ids)
    with transaction.atomic():
        locked = Webhook.objects.select_for_update(no_key=True).filter(pk__in=gone, is_enabled=True, deleted_at=None)
        webhooks = list(locked.order_by("pk"))
        groups = write(decided)  # before: disabling closes what is open with a claim that ran out
        for webhook in webhooks:
            services.disable(webhook=webhook, reason=reasons.DISABLED_AS_GONE)
        return groups, None


def _write_and_ask(decided: Sequence[DecidedOutcome], webhook_ids: Sequence[int]) -> _Written:
    """Write the chunk, and once that is committed ask for what is due, in one round trip."""
    once = _once(decided)
    moved, due = fetch_in_turn((_SQL["record"], _parameters(once, decided)), claims.asking_still_due(webhook_ids))
    groups = _write_late(decided, once, moved)
    return groups, [row.id for row in due] if len(moved) == len(decided) else None


def write(decided: Sequence[DecidedOutcome]) -> set[OrderingGroup]:
    """Write outcomes that were decided already; return the ordering groups of what they closed."""
    once = _once(decided)
    return _write_late(decided, once, fetch(_SQL["record"], _parameters(once, decided)))


def _once(decided: Sequence[DecidedOutcome]) -> list[DecidedOutcome]:
    """Leave out deliveries with several outcomes: of two a statement would take either."""
    times = Counter(each.delivery_id for each in decided)
    return [each for each in decided if times[each.delivery_id] == 1]


def _write_late(
    decided: Sequence[DecidedOutcome], once: Sequence[DecidedOutcome], moved: Sequence[Any]
) -> set[OrderingGroup]:
    """Write what the statement left, whose claims are no longer in force; return the groups of all that is closed."""
    keys = {row.id for row in moved}
    groups = ordering.groups_of((row.webhook_id, row.ordering_group) for row in moved if row.is_closed)
    in_force = {id(each) for each in once if each.delivery_id in keys}
    if late := [each for each in decided if id(each) not in in_force]:
        with transaction.atomic():
            if not moved:
                fetch(_SQL["record"], _parameters([], decided, counts=True))
            groups |= late_outcomes.write(late)
    return groups


def _parameters(
    once: Sequence[DecidedOutcome], decided: Sequence[DecidedOutcome], *, counts: bool = False
) -> dict[str, Any]:
    moves = [(each.sent.row.token, each.status, *reasons.columns(each.decision.reason)) for each in once]
    return {
        **columns(_FENCE, moves),
        **columns(AttemptRow._fields, [attempt_log.row_of(each) for each in once]),
        **webhook_state.arrays(decided),
        "success_precision": webhook_state.SUCCESS_PRECISION,
        **counters.cell_arrays(list(webhook_state.counts(decided))),
        "counts": counts,
    }


def _countdowns(decided: Sequence[DecidedOutcome]) -> dict[float, list[int]]:
    """Return one countdown for each delay of the chunk, seconds → webhooks; jittered delays share a quarter second.

    It runs from the time of recording, so it is never early for any outcome of the chunk and late by no more than the
    chunk took. Delays past the horizon are left to the sweep: Redis would deliver them again and again (docs/adr/0003).
    """
    groups: dict[float, set[int]] = {}
    for each in decided:
        if each.next_at is None or not isinstance(each.decision, Retry):
            continue
        if each.decision.delay <= settings.WEBHOOKS_COUNTDOWN_HORIZON:
            groups.setdefault(math.ceil(each.decision.delay * 4) / 4, set()).add(each.sent.row.webhook.webhook_id)
    return {delay: sorted(ids) for delay, ids in groups.items()}
