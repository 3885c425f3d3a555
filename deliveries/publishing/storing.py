"""Storing what is published: one statement, and a second where a webhook's filter, fields or order need Python."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db import connection, transaction

from deliveries import meters
from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.publishing import fanout
from deliveries.publishing.readings import COSTLY_FANOUT, PutOff, Readings, note_costly, note_decided
from deliveries.publishing.signals import StoredEvent, events_published
from deliveries.publishing.validation import Row
from deliveries.queueing import feed_news, ordering, wakeups
from deliveries.queueing.ordering import OrderingGroup
from subscriptions import tallies
from subscriptions.logs import get_logger
from subscriptions.matching import KnownEvent

log = get_logger(__name__)

_SQL = load(__file__, "publishing.sql")
_DO_NOTHING = "    ON CONFLICT (merchant_id, public_id) DO NOTHING\n"
_PUBLISH_NEW = _SQL["publish"].replace(_DO_NOTHING, "")
"""For events whose ids are ours, and so are new: looking first, and confirming each row, costs 48 bytes of WAL."""
_COLUMNS = (*Row._fields, "patterns", "request")
_values = attrgetter(*Row._fields)


@dataclass(slots=True)
class Stored:
    """What became of one row: its event's key and time, and how many deliveries are to be sent, skipped ones aside."""

    pk: int
    created_at: datetime
    deliveries: int


@dataclass(slots=True)
class _Wake:
    """What is to be done once the rows are committed: groups to advance, then webhooks to wake, feeds with news."""

    webhooks: set[int] = field(default_factory=set)
    feeds: set[int] = field(default_factory=set)
    groups: set[OrderingGroup] = field(default_factory=set)
    events: list[StoredEvent] = field(default_factory=list)


def store(
    rows: Sequence[Row], entries: Mapping[str, KnownEvent], *, new_ids: bool = False, quiet: bool = False
) -> list[Stored | None]:
    """Store a request's events with their deliveries: all or none, in the caller's transaction where there is one.

    Args:
        rows: Checked events in the order they are to have.
        entries: The catalogue's entry of each row's type.
        new_ids: No id can have been published before, since each was made just now.
        quiet: Wake nobody (see `testing.capture_events`).

    Returns:
        For each row what was stored; None where the merchant has published its id before, in this call or earlier.
    """
    readings = Readings()
    [stored] = store_requests([rows], entries, readings, new_ids=new_ids, quiet=quiet)
    if stored is None:
        with transaction.atomic():
            [stored] = store_requests([rows], entries, readings, new_ids=new_ids, quiet=quiet)
    assert stored is not None  # in a transaction nothing is put off
    return stored


def store_requests(
    requests: Sequence[Sequence[Row]],
    entries: Mapping[str, KnownEvent],
    readings: Readings,
    *,
    new_ids: bool = False,
    quiet: bool = False,
    decide: bool = True,
) -> list[list[Stored | None] | None]:
    """Store the events of unrelated requests with one statement; without a caller's transaction it is one of its own.

    Args:
        requests: Each request's checked events, of one merchant or several.
        entries: The catalogue's entry of each row's type.
        readings: Filled for requests that are put off, so that in the transaction nothing is evaluated.
        new_ids: See `store`.
        quiet: Wake nobody, and count nothing for the metrics: a test's transaction ends without a commit.
        decide: Ask webhooks' filters, fields and orders. Else nothing is read of requests that are put off, and in a
            transaction, where they can't be, PutOff is raised.

    Returns:
        For each request what `store` returns of its rows. Outside a transaction, None for a request of which nothing
        was stored: a webhook's filter, fields or order need a second statement, so it needs a transaction.
    """
    wake, began = _Wake(), time.monotonic()
    stored = _store(_PUBLISH_NEW if new_ids else _SQL["publish"], requests, entries, readings, wake, decide=decide)
    if quiet:
        wake.webhooks.clear()
        wake.feeds.clear()
    else:
        _meter(stored, time.monotonic() - began)
    if not events_published.has_listeners():
        wake.events.clear()
    if wake.webhooks or wake.feeds or wake.groups or wake.events:
        if connection.in_atomic_block:
            transaction.on_commit(lambda: _after_commit(wake), robust=True)
        else:
            try:
                _after_commit(wake)
            except Exception:  # the events are stored, so their caller must not be told otherwise; the sweep finds them
                log.exception("wake_failed")
    return stored


def _meter(stored: Sequence[list[Stored | None] | None], seconds: float) -> None:
    made = [each for rows in stored if rows is not None for each in rows]
    new = [each.deliveries for each in made if each is not None]
    counts = {
        meters.EVENTS.field("stored"): len(new),
        meters.EVENTS.field("duplicate"): len(made) - len(new),
        meters.DELIVERIES.field(): sum(new),
    }
    meters.PUBLISHING.add_to(counts, seconds)
    if connection.in_atomic_block:
        transaction.on_commit(lambda: tallies.keep_all(counts), robust=True)
    else:
        tallies.keep_all(counts)


def taken_by_others(rows: Sequence[Row]) -> list[bool]:
    """Tell of rows whose ids were published before whether that was another event: other type, data or resource."""
    names = [(row.merchant_id, row.public_id) for row in rows]
    found = fetch(_SQL["published"], columns(("merchant_id", "public_id"), names))
    before = {(each.merchant_id, each.public_id): each for each in found}
    return [name in before and not _is_same(before[name], row) for name, row in zip(names, rows, strict=True)]


def _is_same(before: Any, row: Row) -> bool:
    """Tell whether two events are one; members of an object have no order, and data that was expunged is not known."""
    if (before.type, before.resource_id) != (row.type, row.resource_id):
        return False
    known = json.loads(before.data)
    return known is None or json.dumps(known, sort_keys=True) == json.dumps(json.loads(row.data), sort_keys=True)


def take_turns(merchant_id: int) -> None:
    """Let this transaction wait for other batches of the merchant that carry ids of their own, until it commits."""
    fetch(_SQL["take_turns"], {"space": TURN_SPACE, "merchant_id": merchant_id})


TURN_SPACE = 0x6D78
"""The first half of the advisory lock's key; the second is the merchant's."""


def _store(
    statement: str,
    requests: Sequence[Sequence[Row]],
    entries: Mapping[str, KnownEvent],
    readings: Readings,
    wake: _Wake,
    *,
    decide: bool,
) -> list[list[Stored | None] | None]:
    stored: list[list[Stored | None] | None] = [[None] * len(rows) for rows in requests]
    asked, seen = [], set()
    for request, rows in enumerate(requests):
        for nth, row in enumerate(rows):
            if (row.merchant_id, row.public_id) not in seen:
                seen.add((row.merchant_id, row.public_id))
                asked.append((request, nth, row))
    to_decide, put_off = [], []
    for answer in sorted(fetch(statement, _parameters(asked, entries)), key=attrgetter("position")):
        request, nth, row = asked[answer.position]
        results = stored[request]
        if answer.others:
            note_decided(row.merchant_id, row.type, len(answer.others))
        if answer.id is None and answer.others:
            put_off.append((row, answer.others))
        if answer.id is None or results is None:
            stored[request] = None
            continue
        if len(answer.plain) > COSTLY_FANOUT:
            note_costly(row.merchant_id)
        results[nth] = made = Stored(answer.id, answer.created_at, len(answer.plain))
        wake.webhooks.update(set(answer.plain).difference(answer.feeds) if answer.feeds else answer.plain)
        wake.feeds.update(answer.feeds)
        event = StoredEvent(answer.id, row.public_id, row.merchant_id, row.type, row.data, row.resource_id)
        wake.events.append(event)
        if answer.others:
            to_decide.append((made, event, answer.others))
    if put_off and decide:
        fanout.foresee(put_off, readings)
    if to_decide:
        if not decide:
            raise PutOff
        _decide(to_decide, readings, wake)
    return stored


def _decide(undecided: Sequence[tuple[Stored, StoredEvent, Sequence[int]]], readings: Readings, wake: _Wake) -> None:
    """Store what Python decides about stored events and these webhooks of theirs."""
    decided = fanout.decide([(event, webhook_ids) for _made, event, webhook_ids in undecided], readings)
    for (made, _event, _webhook_ids), sent in zip(undecided, decided.sent, strict=True):
        made.deliveries += sent
    wake.webhooks |= decided.webhooks
    wake.feeds |= decided.feeds
    wake.groups |= decided.groups


def _parameters(asked: Sequence[tuple[int, int, Row]], entries: Mapping[str, KnownEvent]) -> dict[str, object]:
    patterns = {entry.name: " ".join(sorted(entry.patterns)) for entry in entries.values()}
    values = [(*_values(row), patterns[row.type], request) for request, _nth, row in asked]
    return {**columns(_COLUMNS, values), "in_transaction": connection.in_atomic_block}


def _after_commit(wake: _Wake) -> None:
    if wake.groups:
        ordering.move_on(wake.groups, wake=False)  # before the wake-up, so that the dispatcher finds what was let go
    if wake.webhooks:
        wakeups.wake(sorted(wake.webhooks))
    if wake.feeds:
        feed_news.announce(wake.feeds)
    if wake.events:
        events_published.send_robust(sender=StoredEvent, events=wake.events)
