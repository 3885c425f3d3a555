"""Fan-out to webhooks whose filter, chosen fields, order or state need a decision: a delivery each, or why not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from deliveries import reasons
from deliveries.db import counters
from deliveries.db.arrays import columns, literal
from deliveries.db.counters import SKIPPED, Count
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import Delivery
from deliveries.payloads.filters import Reading
from deliveries.publishing import debounce
from deliveries.publishing.debounce import Candidate, Key
from deliveries.publishing.readings import Costly, Readings
from deliveries.publishing.signals import StoredEvent
from deliveries.queueing import ordering
from deliveries.queueing.ordering import OrderingGroup
from deliveries.reasons import Reason, ReasonCode
from subscriptions.webhook_rules import PULL

_SQL = load(__file__, "publishing.sql")
_COLUMNS = (
    "merchant_id",
    "webhook_id",
    "event_id",
    "event_type",
    "ordering_group",
    "status",
    "reason_code",
    "reason_values",
    "feed_position",
)

INSERT_CHUNK = 10_000
"""Deliveries inserted by one statement: a thousand events to a thousand webhooks are not one document."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided: how many deliveries of each event go out, the webhooks and feeds of these, their groups."""

    sent: list[int]
    webhooks: set[int]
    feeds: set[int]
    groups: set[OrderingGroup]


@dataclass(slots=True)
class _Planned:
    """A delivery to be; with a reason it is skipped. `match`: what the statement `webhooks` tells of the webhook."""

    event: StoredEvent
    reading: Reading
    match: Any
    reason: Reason | None


def foresee(rows: Sequence[tuple[Any, Sequence[int]]], readings: Readings) -> None:
    """Read checked events (`validation.Row`) for these webhooks before the transaction that will store them.

    What strangers wrote is evaluated while nobody waits for our locks; `decide` finds the answers in `readings`.
    """
    webhooks = _webhooks({pk for _row, webhook_ids in rows for pk in webhook_ids})
    for row, webhook_ids in rows:
        reading = readings.of(row.merchant_id, row.public_id, row.type, row.data)
        with suppress(Costly):  # the merchant is known for it now, and its request is put off to elsewhere
            for webhook in (webhooks[pk] for pk in webhook_ids if pk in webhooks):
                if _reason_to_skip(row.merchant_id, webhook, reading, readings) is None and webhook.fields:
                    readings.digest(row.merchant_id, reading, webhook.fields)


def decide(events: Sequence[tuple[StoredEvent, Sequence[int]]], readings: Readings) -> Decided:
    """Store the deliveries of events to these webhooks (keys), inside the transaction that stored the events.

    Raises Costly where the thread is shared and a merchant's filters take too long for that.
    """
    webhooks = _webhooks({pk for _event, webhook_ids in events for pk in webhook_ids})
    planned = [
        _Planned(event, reading, webhook, _reason_to_skip(event.merchant_id, webhook, reading, readings))
        for event, webhook_ids in events
        for reading in (readings.of(event.merchant_id, event.public_id, event.type, event.data),)
        for webhook in (webhooks[pk] for pk in sorted(webhook_ids) if pk in webhooks)
    ]
    for position in debounce.repeated(_candidates(planned, readings)):
        planned[position].reason = Reason(ReasonCode.DEBOUNCED)
    _store(planned)
    sent = [each for each in planned if not each.reason]
    counts = Counter(each.event.pk for each in sent)
    return Decided(
        [counts[event.pk] for event, _webhook_ids in events],
        {each.match.id for each in sent if each.match.kind != PULL},
        {each.match.id for each in sent if each.match.kind == PULL},
        {group for each in sent if (group := _group(each))},
    )


def _webhooks(ids: set[int]) -> dict[int, Any]:
    rows = fetch(_SQL["webhooks"], {"ids": literal(sorted(ids))})
    return {row.id: row._replace(fields=_parsed(row.fields)) for row in rows}


def _parsed(value: Any) -> Any:
    """Return a JSON column: Django's connection gives its text."""
    return json.loads(value) if isinstance(value, str) else value


def _reason_to_skip(merchant_id: int, webhook: Any, reading: Reading, readings: Readings) -> Reason | None:
    if not webhook.is_enabled:
        return Reason(ReasonCode.DISABLED_AT_PUBLISH, {"why": webhook.disabled_reason})
    return readings.refusal(merchant_id, reading, webhook.filter) if webhook.filter else None


def _group(each: _Planned) -> OrderingGroup | None:
    key = ordering.key_of(each.match.ordering, each.event.resource_id)
    return None if key is None else OrderingGroup(each.match.id, key)


def _candidates(planned: Sequence[_Planned], readings: Readings) -> list[Candidate]:
    """Return what may repeat the event before it: deliveries to webhooks that chose fields."""
    return [
        Candidate(position, Key(each.match.id, each.event.type, each.event.resource_id), digest)
        for position, each in enumerate(planned)
        if each.match.fields
        and not each.reason
        and (digest := readings.digest(each.event.merchant_id, each.reading, each.match.fields))
    ]


def _store(planned: Sequence[_Planned]) -> None:
    rows = [
        (
            each.event.merchant_id,
            each.match.id,
            each.event.pk,
            each.event.type,
            ordering.key_of(each.match.ordering, each.event.resource_id),
            (Delivery.Status.SKIPPED if each.reason else Delivery.Status.PENDING).value,
            *reasons.columns(each.reason),
            0 if each.match.kind == PULL else None,
        )
        for each in planned
    ]
    for first in range(0, len(rows), INSERT_CHUNK):
        fetch(_SQL["decided"], columns(_COLUMNS, rows[first : first + INSERT_CHUNK]))
    now = timezone.now()
    skipped = [Count(each.event.merchant_id, each.match.id, now, SKIPPED) for each in planned if each.reason]
    counters.add_after_commit(skipped)
