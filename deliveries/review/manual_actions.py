"""Review: what people decide about a delivery. Replay, retry now, cancel, discard; one by one or by the thousand.

Each decides about what it was given as it was seen: the row is locked, then compared with that, and changed only if it
is still so. Two people, or a person and a worker, can't both win: the second is told by a StateConflict, or the count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from django.db import transaction
from django.db.models import Case, DateTimeField, F, QuerySet, Value, When
from django.db.models.functions import Now

from deliveries import reasons
from deliveries.models import DeadLetter, Delivery
from deliveries.models.debounce import LastSent
from deliveries.models.deliveries import HELD
from deliveries.models.events import EXPUNGED
from deliveries.queueing import feed_news, ordering, wakeups
from deliveries.reasons import Reason, ReasonCode
from deliveries.review.refusals import StateConflict, check_sendable, conflict, reread

__all__ = [
    "DECIDED",
    "StateConflict",
    "cancel",
    "discard",
    "discard_all",
    "hold",
    "in_review",
    "replay",
    "replay_all",
    "retry",
]

DECIDED = "Somebody has decided about this already; look at it again."
BULK_CHUNK = 500
"""Deliveries a transaction of a bulk replay or discard."""

_CLOSED = (
    Delivery.Status.DEAD,
    Delivery.Status.DELIVERED,
    Delivery.Status.DISCARDED,
    Delivery.Status.SKIPPED,
    Delivery.Status.CANCELLED,
)


_Place = tuple[int, str | None]
"""Where a delivery belongs: its webhook's id, and its line's key."""
_Seen = Mapping[int, tuple[str, int]]
"""Delivery key → its status and replays as they were seen. Closed deliveries never have both again once one changed."""
_DUE = Case(
    When(ordering_group=None, then=Now()),
    default=Value(HELD, output_field=DateTimeField()),
    output_field=DateTimeField(),
)


_NOT_GIVEN = Case(When(feed_position__isnull=False, then=0))
"""Where a feed finds it again, behind all that it gave."""


def replay(*, delivery: Delivery, by: str, note: str = "") -> Delivery:
    """Send a closed delivery again: a new chain of attempts under the same message id. Resolves its dead letter.

    One that keeps an order takes its old place in the line: the first there is, but never beside another.

    Raises:
        StateConflict: It is open (pending, being sent, retrying), or its webhook is disabled or deleted.
    """
    check_sendable(delivery)
    if not _replay(_sendable(Delivery.objects.all()), _seen([delivery]), by=by, note=note):
        check_sendable(reread(delivery))
        raise conflict(delivery, "replayed")
    return reread(delivery)


def retry(*, delivery: Delivery, by: str) -> Delivery:
    """Try again now: a retrying delivery becomes due at once and its webhook is woken, a closed one is replayed.

    Raises:
        StateConflict: It is being sent right now, waits in line, or its webhook is disabled or deleted.
    """
    with transaction.atomic():
        retrying = _chain(delivery).filter(status=Delivery.Status.RETRYING)
        # one that is due already keeps its place in the webhook
        retrying.filter(due_at__gt=Now(), due_at__lt=HELD).update(due_at=Now())
        is_retrying = retrying.filter(due_at__lt=HELD).exists()
        if is_retrying:
            transaction.on_commit(lambda: wakeups.wake([delivery.webhook_id]), robust=True)
    return reread(delivery) if is_retrying else replay(delivery=delivery, by=by)


def discard(*, delivery: Delivery, by: str, note: str = "") -> Delivery:
    """Give a dead delivery up for good; it stays in the log. Raises StateConflict when it isn't in review."""
    if not _discard(Delivery.objects.all(), _seen([delivery]), by=by, note=note):
        raise conflict(delivery, "discarded")
    return reread(delivery)


def cancel(*, delivery: Delivery, by: str) -> Delivery:
    """Stop a delivery that waits for an attempt. Raises StateConflict when it is being sent or closed."""
    waiting = (Delivery.Status.PENDING, Delivery.Status.RETRYING)
    with transaction.atomic():
        changed = (
            _chain(delivery)
            .filter(status__in=waiting)
            .update(
                status=Delivery.Status.CANCELLED,
                due_at=None,
                claim_token=None,
                closed_at=Now(),
                **reasons.changes(Reason(ReasonCode.CANCELLED, {"by": by})),
            )
        )
        if not changed:
            raise conflict(delivery, "cancelled")
        LastSent.objects.forget([delivery.webhook_id])
        _let_on({delivery.pk: (delivery.webhook_id, delivery.ordering_group)})
    return reread(delivery)


def replay_all(
    chosen: QuerySet[Delivery] | QuerySet[DeadLetter],
    *,
    by: str,
    note: str = "",
    job: int | None = None,
    dry_run: bool = False,
) -> int:
    """Replay every closed delivery of a queryset (or of its dead letters); return how many were, or would be.

    Goes in chunks of BULK_CHUNK, so claims are never held up; those of disabled or deleted webhooks are left alone.
    `job` is the key of the job that asks: dead letters keep it.
    """
    deliveries = _sendable(_deliveries(chosen))
    if dry_run:
        return deliveries.count()
    return sum(_replay(deliveries, chunk, by=by, note=note, job=job) for chunk in _chunks(deliveries))


def discard_all(
    chosen: QuerySet[Delivery] | QuerySet[DeadLetter],
    *,
    by: str,
    note: str = "",
    job: int | None = None,
    dry_run: bool = False,
) -> int:
    """Discard every dead delivery of a queryset (or of its dead letters); return how many were, or would be."""
    deliveries = _deliveries(chosen).filter(status=Delivery.Status.DEAD)
    if dry_run:
        return deliveries.count()
    return sum(_discard(deliveries, chunk, by=by, note=note, job=job) for chunk in _chunks(deliveries))


def in_review(dead_letter: DeadLetter) -> Delivery:
    """Return the delivery of a dead letter that waits for a decision, both read by one statement.

    Raises StateConflict when it is decided already.
    """
    waiting = DeadLetter.objects.filter(pk=dead_letter.pk, resolved_at=None)
    found = waiting.select_related("delivery__event", "delivery__webhook").first()
    if found is None:
        raise StateConflict(DECIDED)
    return found.delivery


def hold(dead_letters: QuerySet[DeadLetter]) -> list[int]:
    """Lock these dead letters for the caller's transaction; return the keys of those that wait for a decision.

    Their deliveries are locked before them, in key order, as each decision does: whoever writes assignees or notes and
    began with the dead letter would meet a decision that began with the delivery in a deadlock.
    """
    deliveries = Delivery.objects.filter(pk__in=_deliveries(dead_letters).values("pk")).order_by("pk")
    keys = list(deliveries.select_for_update(of=("self",)).values_list("pk", flat=True))
    waiting = DeadLetter.objects.filter(delivery_id__in=keys, resolved_at=None).order_by("delivery_id")
    return list(waiting.select_for_update(of=("self",)).values_list("pk", flat=True))


def _replay(chosen: QuerySet[Delivery], seen: _Seen, *, by: str, note: str, job: int | None = None) -> int:
    with transaction.atomic():
        webhooks_of = _locked(chosen, seen, _CLOSED)
        Delivery.objects.filter(pk__in=webhooks_of).update(
            status=Delivery.Status.RETRYING,
            due_at=_DUE,
            claim_token=None,
            tries=0,
            orphaned_attempts=0,
            feed_position=_NOT_GIVEN,
            replays=F("replays") + 1,
            closed_at=None,
            **reasons.changes(None),
        )
        _resolve(webhooks_of, DeadLetter.Resolution.REPLAYED, by, note, job)
        _let_on(webhooks_of)
        woken = {webhook_id for webhook_id, _key in webhooks_of.values()}
        transaction.on_commit(lambda: _wake(woken), robust=True)
    return len(webhooks_of)


def _wake(webhook_ids: Collection[int]) -> None:
    wakeups.wake(webhook_ids)
    feed_news.announce(webhook_ids)


def _discard(chosen: QuerySet[Delivery], seen: _Seen, *, by: str, note: str, job: int | None = None) -> int:
    with transaction.atomic():
        webhooks_of = _locked(chosen, seen, (Delivery.Status.DEAD,))
        reason = Reason(ReasonCode.DISCARDED, {"by": by, "note": note})
        Delivery.objects.filter(pk__in=webhooks_of).update(
            status=Delivery.Status.DISCARDED, closed_at=Now(), **reasons.changes(reason)
        )
        _resolve(webhooks_of, DeadLetter.Resolution.DISCARDED, by, note, job)
        LastSent.objects.forget({webhook_id for webhook_id, _key in webhooks_of.values()})
        _let_on(webhooks_of)
    return len(webhooks_of)


def _locked(chosen: QuerySet[Delivery], seen: _Seen, states: Collection[str]) -> dict[int, _Place]:
    """Lock what was seen, and return what is still as it was, still chosen, and in one of `states`; key → place.

    In key order: two bulks can't deadlock. The second statement's snapshot is taken under the locks, so it holds what
    their last owners committed: of letters, events and webhooks, too.
    """
    rows = Delivery.objects.filter(pk__in=seen, status__in=states).order_by("pk")
    keys = list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))
    found = chosen.filter(pk__in=keys, status__in=states)
    return {
        pk: (webhook_id, key)
        for pk, status, replays, webhook_id, key in found.values_list(
            "pk", "status", "replays", "webhook_id", "ordering_group"
        )
        if (status, replays) == seen[pk]
    }


def _chain(delivery: Delivery) -> QuerySet[Delivery]:
    """Return the delivery as long as it is in the chain of attempts that was seen: another's replay is not meant."""
    return Delivery.objects.filter(pk=delivery.pk, replays=delivery.replays)


def _seen(deliveries: Iterable[Delivery]) -> _Seen:
    return {row.pk: (row.status, row.replays) for row in deliveries}


def _sendable(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Return those of the deliveries that can be sent again; `check_sendable` says why one can't."""
    alive = deliveries.filter(status__in=_CLOSED, webhook__is_enabled=True, webhook__deleted_at=None)
    return alive.exclude(event__data=EXPUNGED)


def _let_on(webhooks_of: Mapping[int, _Place]) -> None:
    """Let the lines of these deliveries go on once it is committed what becomes of them."""
    lines = ordering.groups_of(webhooks_of.values())
    transaction.on_commit(lambda: ordering.move_on(lines), robust=True)


def _resolve(keys: Collection[int], resolution: str, by: str, note: str, job: int | None) -> None:
    changes: dict[str, object] = {"resolution": resolution, "resolved_at": Now(), "resolved_by": by[:150], "job": job}
    if note:
        changes["note"] = note
    DeadLetter.objects.filter(delivery_id__in=keys, resolved_at=None).update(**changes)


def _deliveries(chosen: QuerySet[Delivery] | QuerySet[DeadLetter]) -> QuerySet[Delivery]:
    if chosen.model is DeadLetter:
        dead_letters = chosen.filter(resolved_at=None).order_by()
        return Delivery.objects.filter(pk__in=dead_letters.values("delivery_id"))
    return chosen  # type: ignore[return-value]


def _chunks(deliveries: QuerySet[Delivery]) -> Iterator[_Seen]:
    """Walk the deliveries in key order, each once, whatever the chunks before changed."""
    last = 0
    while True:
        rows = deliveries.order_by("pk").filter(pk__gt=last).values_list("pk", "status", "replays")[:BULK_CHUNK]
        seen = {pk: (status, replays) for pk, status, replays in rows}
        if not seen:
            return
        yield seen
        last = max(seen)
