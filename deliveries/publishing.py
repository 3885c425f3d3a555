"""Publishing: store checked events in the caller's transaction and tell the listeners.

    from deliveries.publishing import publish

    publish("order.created", {"order": {"id": "1045", "total": Decimal("49.99")}}, merchant=shop)

When it returns, the events and their deliveries are rows; Redis and the workers can be away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from deliveries import incoming
from deliveries.database import as_datetime, insert_rows, is_postgres
from deliveries.incoming import JsonText, NewEvent
from deliveries.models import Event
from deliveries.signals import Batch, StoredEvent, events_published
from subscriptions.matching import known_events
from subscriptions.models import Merchant

__all__ = ["JsonText", "NewEvent", "Published", "publish", "publish_many"]


TURN_SPACE = 0x6D78
"""The first half of the advisory lock's key; the second is the merchant's."""


@dataclass(slots=True)
class Published:
    """What became of one event. `duplicate`: its id was published before; nothing was stored again."""

    event_id: str
    event: str
    deliveries: int = 0
    duplicate: bool = False


Results = list[tuple[Published, Event | None]]
listeners: list[Callable[[Merchant, Results], None]] = []
"""Told of all that is stored, at once; for `deliveries.testing` only. While there are some, nobody is woken."""


def publish(
    event: str,
    data: Any,
    *,
    merchant: Merchant | str,
    id: str | None = None,
    occurred_at: datetime | None = None,
    resource_id: str = "",
) -> Event:
    """Publish one event in the caller's transaction and return it.

    Args:
        event: A name of the catalogue, or one of its aliases.
        data: The payload, an object: a mapping (Decimals become strings) or JsonText.
        merchant: The merchant, or its `mch_…` id.
        id: The event's id, if the source has one: `[A-Za-z0-9_-]{1,64}`; published twice, the second is dropped.
        occurred_at: When it happened; now if left out. Must be aware.
        resource_id: What it happened to, for search and for order a resource.

    Raises:
        ValidationError: With the field and the mend; nothing is stored.
    """
    tenant = _merchant(merchant)
    try:
        [(published, stored)] = _publish([NewEvent(event, data, id, occurred_at, resource_id)], tenant)
    except ValidationError as error:
        raise _without_position(error) from None
    return stored or Event.objects.get(merchant=tenant, public_id=published.event_id)


def publish_many(events: Iterable[NewEvent | Mapping[str, Any]], *, merchant: Merchant | str) -> list[Published]:
    """Publish up to WEBHOOKS_BATCH_MAX events at once: all or none, a handful of statements.

    Raises:
        ValidationError: Every wrong field of every event, as `events.3.data`; nothing is stored.
    """
    items = incoming.new_events(events)
    tenant = _merchant(merchant)
    if len(items) > settings.WEBHOOKS_BATCH_MAX:
        raise ValidationError(
            {"events": [f"{len(items)} events in one batch; send at most {settings.WEBHOOKS_BATCH_MAX} at a time."]}
        )
    return [published for published, _stored in _publish(items, tenant)] if items else []


def _publish(items: Sequence[NewEvent], merchant: Merchant) -> Results:
    entries = known_events({item.event for item in items if incoming.is_storable(item.event)})
    rows = incoming.check(items, entries, merchant)
    batch = Batch(merchant.pk, entries, [], quiet=bool(listeners))
    results: Results = []
    with transaction.atomic():
        if len(items) > 1 and is_postgres() and any(item.id for item in items):
            _take_turns(merchant)
        keys = _store(rows)
        for row in rows:
            event = None
            if row.public_id in keys:
                pk, created_at = keys.pop(row.public_id)  # popped: an id given twice in one batch counts once
                event = Event(**row._asdict(), id=pk, created_at=created_at)
                batch.events.append(StoredEvent(pk, row.type, row.data, row.resource_id))
            results.append((Published(row.public_id, row.type, duplicate=event is None), event))
        if batch.events:
            events_published.send(sender=Event, batch=batch)
    for published, event in results:
        if event is not None:
            event._state.adding = False
            published.deliveries = batch.deliveries.get(event.pk, 0)
    for listener in listeners:
        listener(merchant, results)
    return results


_COLUMNS = {
    "public_id": "text",
    "merchant_id": "bigint",
    "type": "text",
    "data": "text",
    "size": "int",
    "resource_id": "text",
    "occurred_at": "timestamptz",
}


def _store(rows: Sequence[incoming.Row]) -> dict[str, tuple[int, datetime]]:
    """Insert the events and return public id → (key, time stored) of those that were new."""
    inserted = insert_rows(
        "deliveries_event",
        _COLUMNS,
        rows,
        computed={"created_at": "now()"},
        tail="ON CONFLICT (merchant_id, public_id) DO NOTHING RETURNING public_id, id, created_at",
    )
    return {public_id: (pk, as_datetime(created_at)) for public_id, pk, created_at in inserted}


def _take_turns(merchant: Merchant) -> None:
    """Let a merchant's batches that carry ids of their own go one after the other.

    Two that hold the same ids in another order would wait for each other's rows and deadlock; sorting the rows would
    change the events' order.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [TURN_SPACE, merchant.pk % 2147483647])


def _merchant(merchant: Merchant | str) -> Merchant:
    if isinstance(merchant, Merchant):
        if not merchant.is_active:
            raise ValidationError({"merchant": [f"{merchant} is not active. Activate it before publishing for it."]})
        return merchant
    found = (
        Merchant.objects.filter(public_id=merchant, is_active=True).first() if incoming.is_storable(merchant) else None
    )
    if found is None:
        raise ValidationError(
            {"merchant": [f"There is no merchant {merchant!r}; give its mch_… id, as create_merchant prints it."]}
        )
    return found


def _without_position(error: ValidationError) -> ValidationError:
    messages = {name.removeprefix("events.0."): texts for name, texts in error.message_dict.items()}
    return ValidationError(messages)
