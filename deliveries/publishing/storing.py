"""Storing what is published: one statement, and a second where a webhook's filter, fields or order need Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from django.db import connection, transaction

from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.publishing import fanout
from deliveries.publishing.signals import StoredEvent, events_published
from deliveries.publishing.validation import Row
from deliveries.queueing import ordering, wakeups
from deliveries.queueing.ordering import OrderingGroup
from subscriptions.matching import KnownEvent

_SQL = load(__file__, "publishing.sql")
_COLUMNS = (*Row._fields, "patterns")
_values = attrgetter(*Row._fields)


@dataclass(slots=True)
class Stored:
    """What became of one row: its event's key and time, and how many deliveries are to be sent, skipped ones aside."""

    pk: int
    created_at: datetime
    deliveries: int


@dataclass(slots=True)
class _Wake:
    """What is to be done once the rows are committed: groups to advance, then webhooks to wake."""

    webhooks: set[int] = field(default_factory=set)
    groups: set[OrderingGroup] = field(default_factory=set)
    events: list[StoredEvent] = field(default_factory=list)


def store(rows: Sequence[Row], entries: Mapping[str, KnownEvent], *, quiet: bool = False) -> list[Stored | None]:
    """Store events with their deliveries; in the caller's transaction, or, without one, each statement in its own.

    Args:
        rows: Checked events, of one merchant or several, in the order they are to have.
        entries: The catalogue's entry of each row's type.
        quiet: Wake nobody (see `testing.capture_events`).

    Returns:
        For each row what was stored; None where the merchant has published its id before, in this call or earlier.
    """
    wake = _Wake()
    stored = _store(rows, entries, wake)
    if quiet:
        wake.webhooks.clear()
    if not events_published.has_listeners():
        wake.events.clear()
    if wake.webhooks or wake.groups or wake.events:
        if connection.in_atomic_block:
            transaction.on_commit(lambda: _after_commit(wake), robust=True)
        else:
            _after_commit(wake)
    return stored


def take_turns(merchant_id: int) -> None:
    """Let this transaction wait for other batches of the merchant that carry ids of their own, until it commits."""
    fetch(_SQL["take_turns"], {"space": TURN_SPACE, "merchant_id": merchant_id})


TURN_SPACE = 0x6D78
"""The first half of the advisory lock's key; the second is the merchant's."""


def _store(rows: Sequence[Row], entries: Mapping[str, KnownEvent], wake: _Wake) -> list[Stored | None]:
    in_transaction = connection.in_atomic_block
    first = {(row.merchant_id, row.public_id): position for position, row in reversed(list(enumerate(rows)))}
    asked = sorted(first.values())
    found = fetch(_SQL["publish"], _parameters([rows[nth] for nth in asked], entries, in_transaction=in_transaction))
    stored: list[Stored | None] = [None] * len(rows)
    put_off, to_decide = [], []
    for answer in sorted(found, key=attrgetter("position")):
        position = asked[answer.position]
        if answer.id is None:
            put_off.append(position)
            continue
        row = rows[position]
        stored[position] = Stored(answer.id, answer.created_at, len(answer.plain))
        wake.webhooks.update(answer.plain)
        event = StoredEvent(answer.id, row.public_id, row.merchant_id, row.type, row.data, row.resource_id)
        wake.events.append(event)
        if answer.others:
            to_decide.append((position, event, answer.others))
    if to_decide:
        counts = fanout.decide([(event, webhook_ids) for _nth, event, webhook_ids in to_decide])
        for (position, _event, _webhook_ids), sent in zip(to_decide, counts.sent, strict=True):
            stored[position].deliveries += sent
        wake.webhooks |= counts.webhooks
        wake.groups |= counts.groups
    if put_off:
        with transaction.atomic():
            for position, row in zip(put_off, _store([rows[nth] for nth in put_off], entries, wake), strict=True):
                stored[position] = row
    return stored


def _parameters(rows: Sequence[Row], entries: Mapping[str, KnownEvent], *, in_transaction: bool) -> dict[str, object]:
    patterns = {entry.name: " ".join(sorted(entry.patterns)) for entry in entries.values()}
    values = [(*_values(row), patterns[row.type]) for row in rows]
    return {**columns(_COLUMNS, values), "in_transaction": in_transaction}


def _after_commit(wake: _Wake) -> None:
    if wake.groups:
        ordering.move_on(wake.groups, wake=False)  # before the wake-up, so that the dispatcher finds what was let go
    if wake.webhooks:
        wakeups.wake(sorted(wake.webhooks))
    if wake.events:
        events_published.send_robust(sender=StoredEvent, events=wake.events)
