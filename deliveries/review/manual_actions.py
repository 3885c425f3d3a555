"""Review: what people decide about a delivery. Replay, retry now, cancel, discard; one by one or by the thousand.

Each is a conditional update on the states it may leave, so two people, or a person and a worker, can't both win.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from django.db import transaction
from django.db.models import Case, DateTimeField, F, QuerySet, Value, When
from django.db.models.functions import Now

from deliveries import reasons
from deliveries.models import DeadLetter, Delivery
from deliveries.models.debounce import LastSent
from deliveries.models.deliveries import HELD
from deliveries.models.events import EXPUNGED
from deliveries.queueing import ordering, wakeups
from deliveries.reasons import Reason, ReasonCode

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
_DUE = Case(
    When(ordering_group=None, then=Now()),
    default=Value(HELD, output_field=DateTimeField()),
    output_field=DateTimeField(),
)


class Conflict(Exception):
    """The delivery is in a state that doesn't allow this now; the message says which and what to do."""


def replay(*, delivery: Delivery, by: str, note: str = "") -> Delivery:
    """Send a closed delivery again: a new chain of attempts under the same message id. Resolves its dead letter.

    One that keeps an order takes its old place in the line: the first there is, but never beside another.

    Raises:
        Conflict: It is open (pending, being sent, retrying), or its webhook is disabled or deleted.
    """
    _check_sendable(delivery)
    if not _replay([delivery.pk], by=by, note=note):
        raise _conflict(delivery, "replayed")
    return _reread(delivery)


def retry(*, delivery: Delivery, by: str) -> Delivery:
    """Try again now: a retrying delivery becomes due at once and its webhook is woken, a closed one is replayed.

    Raises:
        Conflict: It is being sent right now, waits in line, or its webhook is disabled or deleted.
    """
    with transaction.atomic():
        retrying = Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.RETRYING)
        # one that is due already keeps its place in the webhook
        retrying.filter(due_at__gt=Now(), due_at__lt=HELD).update(due_at=Now())
        is_retrying = retrying.filter(due_at__lt=HELD).exists()
        if is_retrying:
            transaction.on_commit(lambda: wakeups.wake([delivery.webhook_id]), robust=True)
    return _reread(delivery) if is_retrying else replay(delivery=delivery, by=by)


def discard(*, delivery: Delivery, by: str, note: str = "") -> Delivery:
    """Give a dead delivery up for good; it stays in the log. Raises Conflict when it isn't in review."""
    if not _discard([delivery.pk], by=by, note=note):
        raise _conflict(delivery, "discarded")
    return _reread(delivery)


def cancel(*, delivery: Delivery, by: str) -> Delivery:
    """Stop a delivery that waits for an attempt. Raises Conflict when it is being sent or closed."""
    waiting = (Delivery.Status.PENDING, Delivery.Status.RETRYING)
    with transaction.atomic():
        changed = Delivery.objects.filter(pk=delivery.pk, status__in=waiting).update(
            status=Delivery.Status.CANCELLED,
            due_at=None,
            claim_token=None,
            closed_at=Now(),
            **reasons.changes(Reason(ReasonCode.CANCELLED, {"by": by})),
        )
        if not changed:
            raise _conflict(delivery, "cancelled")
        LastSent.objects.forget([delivery.webhook_id])
        _let_on({delivery.pk: (delivery.webhook_id, delivery.ordering_group)})
    return _reread(delivery)


def replay_all(
    chosen: QuerySet[Delivery] | QuerySet[DeadLetter], *, by: str, note: str = "", dry_run: bool = False
) -> int:
    """Replay every closed delivery of a queryset (or of its dead letters); return how many were, or would be.

    Goes in chunks of BULK_CHUNK, so claims are never held up; those of disabled or deleted webhooks are left alone.
    """
    deliveries = _deliveries(chosen).filter(status__in=_CLOSED, webhook__is_enabled=True, webhook__deleted_at=None)
    deliveries = deliveries.exclude(event__data=EXPUNGED)
    if dry_run:
        return deliveries.count()
    return sum(_replay(chunk, by=by, note=note) for chunk in _chunks(deliveries))


def discard_all(
    chosen: QuerySet[Delivery] | QuerySet[DeadLetter], *, by: str, note: str = "", dry_run: bool = False
) -> int:
    """Discard every dead delivery of a queryset (or of its dead letters); return how many were, or would be."""
    deliveries = _deliveries(chosen).filter(status=Delivery.Status.DEAD)
    if dry_run:
        return deliveries.count()
    return sum(_discard(chunk, by=by, note=note) for chunk in _chunks(deliveries))


def _replay(keys: Collection[int], *, by: str, note: str) -> int:
    with transaction.atomic():
        webhooks_of = _locked(keys, _CLOSED)
        Delivery.objects.filter(pk__in=webhooks_of).update(
            status=Delivery.Status.RETRYING,
            due_at=_DUE,
            claim_token=None,
            tries=0,
            orphaned_attempts=0,
            replays=F("replays") + 1,
            closed_at=None,
            **reasons.changes(None),
        )
        _resolve(webhooks_of, DeadLetter.Resolution.REPLAYED, by, note)
        _let_on(webhooks_of)
        woken = {webhook_id for webhook_id, _key in webhooks_of.values()}
        transaction.on_commit(lambda: wakeups.wake(woken), robust=True)
    return len(webhooks_of)


def _discard(keys: Collection[int], *, by: str, note: str) -> int:
    with transaction.atomic():
        webhooks_of = _locked(keys, (Delivery.Status.DEAD,))
        reason = Reason(ReasonCode.DISCARDED, {"by": by, "note": note})
        Delivery.objects.filter(pk__in=webhooks_of).update(
            status=Delivery.Status.DISCARDED, closed_at=Now(), **reasons.changes(reason)
        )
        _resolve(webhooks_of, DeadLetter.Resolution.DISCARDED, by, note)
        LastSent.objects.forget({webhook_id for webhook_id, _key in webhooks_of.values()})
        _let_on(webhooks_of)
    return len(webhooks_of)


def _locked(keys: Collection[int], states: Collection[str]) -> dict[int, _Place]:
    """Lock those of the deliveries that are in one of `states`; key → place. In key order: two bulks can't deadlock."""
    rows = Delivery.objects.select_for_update(of=("self",)).filter(pk__in=keys, status__in=states).order_by("pk")
    return {pk: (webhook_id, key) for pk, webhook_id, key in rows.values_list("pk", "webhook_id", "ordering_group")}


def _let_on(webhooks_of: Mapping[int, _Place]) -> None:
    """Let the lines of these deliveries go on once it is committed what becomes of them."""
    lines = ordering.groups_of(webhooks_of.values())
    transaction.on_commit(lambda: ordering.move_on(lines), robust=True)


def _resolve(keys: Collection[int], resolution: str, by: str, note: str) -> None:
    changes: dict[str, object] = {"resolution": resolution, "resolved_at": Now(), "resolved_by": by[:150]}
    if note:
        changes["note"] = note
    DeadLetter.objects.filter(delivery_id__in=keys, resolved_at=None).update(**changes)


def _deliveries(chosen: QuerySet[Delivery] | QuerySet[DeadLetter]) -> QuerySet[Delivery]:
    if chosen.model is DeadLetter:
        letters = chosen.filter(resolved_at=None).order_by()
        return Delivery.objects.filter(pk__in=letters.values("delivery_id"))
    return chosen  # type: ignore[return-value]


def _chunks(deliveries: QuerySet[Delivery]) -> Iterator[list[int]]:
    """Walk the keys in order, each once, whatever the chunks before changed."""
    last = 0
    while True:
        keys = list(deliveries.order_by("pk").filter(pk__gt=last).values_list("pk", flat=True)[:BULK_CHUNK])
        if not keys:
            return
        yield keys
        last = keys[-1]


def _check_sendable(delivery: Delivery) -> None:
    webhook = delivery.webhook
    if webhook.deleted_at is not None:
        raise Conflict("The webhook was deleted, so nothing can be sent to it any more.")
    if not webhook.is_enabled:
        raise Conflict("The webhook is disabled; enable it first.")
    if delivery.event.data == EXPUNGED:
        raise Conflict("The event's payload was expunged, so it can't be sent again.")


def _conflict(delivery: Delivery, wanted: str) -> Conflict:
    status = Delivery.Status(_reread(delivery).status)
    if delivery.is_held and wanted == "replayed":
        raise _held(delivery)
    return Conflict(
        f"The delivery is {status.label.lower()} now, so it can't be {wanted}; look at it again in a moment."
    )


def _held(delivery: Delivery) -> Conflict:
    waits = ordering.why_held(delivery, ordering.ahead_of(delivery))
    return Conflict(f"{waits} The webhook asked for its deliveries in order: see to that one, or cancel this.")


def _reread(delivery: Delivery) -> Delivery:
    delivery.refresh_from_db()
    return delivery
