"""Fan-out: an event becomes one delivery for each webhook that listens to it, skipped ones with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from deliveries import counters, debounce, lanes, ordering
from deliveries.counters import SKIPPED, Count
from deliveries.database import insert_rows
from deliveries.debounce import Candidate, Key
from deliveries.filters import Reading
from deliveries.models import Delivery
from deliveries.ordering import Line
from deliveries.signals import Batch, StoredEvent, events_published
from subscriptions.matching import Match, matching

_COLUMNS = {
    "merchant_id": "bigint",
    "webhook_id": "bigint",
    "event_id": "bigint",
    "event_type": "text",
    "order_key": "text",
    "status": "text",
    "reason": "text",
}
_COMPUTED = {
    # The database's clock, never this host's: claims compare with it.
    "due_at": f"CASE WHEN status = '{Delivery.Status.PENDING}' THEN {ordering.DUE} END",
    "closed_at": f"CASE WHEN status <> '{Delivery.Status.PENDING}' THEN now() END",
    "created_at": "now()",
}

INSERT_CHUNK = 10_000
"""Deliveries inserted by one statement: a thousand events to a thousand webhooks are not one document."""


@dataclass(slots=True)
class _Planned:
    """A delivery to be; with a reason it is skipped."""

    event: StoredEvent
    reading: Reading
    match: Match
    reason: str


@receiver(events_published)
def fan_out(batch: Batch, **_kwargs: Any) -> None:
    """Store the deliveries of a batch of events in its transaction, and wake their lanes once it is committed."""
    found = matching(batch.merchant_id, {entry.name: entry for entry in batch.entries.values()}.values())
    planned = [
        _Planned(event, reading, match, _reason_to_skip(match, reading))
        for event in batch.events
        for reading in (Reading(event.type, event.data),)
        for match in found.get(event.type, ())
    ]
    for position in debounce.repeated(_candidates(planned)):
        planned[position].reason = debounce.REASON
    _store(batch.merchant_id, planned)
    sent = [each for each in planned if not each.reason]
    batch.deliveries.update(Counter(each.event.pk for each in sent))
    lines = {line for each in sent if (line := _line(each))}
    if lines:
        transaction.on_commit(lambda: ordering.move_on(lines, wake=False), robust=True)  # before the wake-up
    woken = {each.match.webhook_id for each in sent}
    if woken and not batch.quiet:
        transaction.on_commit(lambda: lanes.wake(sorted(woken)), robust=True)


def _reason_to_skip(match: Match, reading: Reading) -> str:
    if not match.is_enabled:
        why = f": {match.disabled_reason.rstrip('.')}" if match.disabled_reason else ""
        return f"The webhook was disabled when the event was published{why}."
    return reading.accepts(match.filter)[1] if match.filter else ""


def _line(each: _Planned) -> Line | None:
    key = ordering.key_of(each.match.ordering, each.event.resource_id)
    return None if key is None else Line(each.match.webhook_id, key)


def _candidates(planned: Sequence[_Planned]) -> list[Candidate]:
    """Return what may repeat the event before it: deliveries to webhooks that chose fields."""
    return [
        Candidate(position, Key(each.match.webhook_id, each.event.type, each.event.resource_id), digest)
        for position, each in enumerate(planned)
        if each.match.fields and not each.reason and (digest := each.reading.digest(each.match.fields))
    ]


def _store(merchant_id: int, planned: Sequence[_Planned]) -> None:
    rows = [
        (
            merchant_id,
            each.match.webhook_id,
            each.event.pk,
            each.event.type,
            ordering.key_of(each.match.ordering, each.event.resource_id),
            (Delivery.Status.SKIPPED if each.reason else Delivery.Status.PENDING).value,
            each.reason,
        )
        for each in planned
    ]
    for first in range(0, len(rows), INSERT_CHUNK):
        insert_rows("deliveries_delivery", _COLUMNS, rows[first : first + INSERT_CHUNK], computed=_COMPUTED)
    now = timezone.now()
    skipped = [Count(merchant_id, each.match.webhook_id, now, SKIPPED) for each in planned if each.reason]
    if skipped:
        # After the commit: a counter is shared by all publishers, who must not wait for each other's transactions.
        transaction.on_commit(lambda: counters.add(skipped), robust=True)
