"""Publishing: validate, store the events in the caller's transaction, tell the listeners.

    from deliveries.publishing import publish

    publish("order.created", {"order": {"id": "1045", "total": Decimal("49.99")}}, merchant=shop)

When it returns, the events and their deliveries are rows; Redis and the workers can be away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from deliveries import canonical
from deliveries.database import insert_rows
from deliveries.models import Event
from deliveries.signals import Batch, StoredEvent, events_published
from subscriptions import ids
from subscriptions.matching import known_event_types, suggestion
from subscriptions.models import EventType, Merchant

ENVELOPE_MAX = 2048
"""Bytes kept free for the largest envelope, so that data that was accepted always fits the whole body's limit."""
RESOURCE_ID_MAX = 200


class JsonText(str):
    """Event data that is JSON text already; it is parsed strictly and stored in canonical form."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to publish. `data`: an object as Python data or JsonText. `id`: the caller's own, for deduplication."""

    event: str
    data: Any
    id: str | None = None
    occurred_at: datetime | None = None
    resource_id: str = ""


@dataclass(slots=True)
class Published:
    """What became of one event. `duplicate`: its id was published before; nothing was stored again."""

    event_id: str
    event: str
    deliveries: int = 0
    duplicate: bool = False
    pk: int = 0


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
        [published] = publish_many([NewEvent(event, data, id, occurred_at, resource_id)], merchant=tenant)
    except ValidationError as error:
        raise _without_position(error) from None
    if published.duplicate:
        return Event.objects.get(merchant=tenant, public_id=published.event_id)
    return Event.objects.get(pk=published.pk)


def publish_many(events: Iterable[NewEvent | Mapping[str, Any]], *, merchant: Merchant | str) -> list[Published]:
    """Publish up to WEBHOOKS_BATCH_MAX events at once: all or none, a handful of statements.

    Raises:
        ValidationError: Every wrong field of every event, as `events.3.data`; nothing is stored.
    """
    items = [item if isinstance(item, NewEvent) else NewEvent(**item) for item in events]
    tenant = _merchant(merchant)
    if len(items) > settings.WEBHOOKS_BATCH_MAX:
        raise ValidationError(
            {"events": [f"{len(items)} events in one batch; send at most {settings.WEBHOOKS_BATCH_MAX} at a time."]}
        )
    if not items:
        return []
    entries = known_event_types({item.event for item in items if isinstance(item.event, str)})
    rows = _validated(items, entries, tenant)
    with transaction.atomic():
        keys = _store(rows)
        batch = Batch(tenant.pk, entries, [])
        published = []
        for row in rows:
            public_id, name = row[0], row[2]
            pk = keys.pop(public_id, 0)  # popped: an id given twice in one batch counts once
            published.append(Published(public_id, name, duplicate=not pk, pk=pk))
            if pk:
                batch.events.append(StoredEvent(pk, name, row[3], row[5]))
        if batch.events:
            events_published.send(sender=Event, batch=batch)
    for result in published:
        result.deliveries = batch.deliveries.get(result.pk, 0)
    return published


_COLUMNS = {
    "public_id": "text",
    "merchant_id": "bigint",
    "type": "text",
    "data": "text",
    "size": "int",
    "resource_id": "text",
    "occurred_at": "timestamptz",
}


def _store(rows: list[tuple[Any, ...]]) -> dict[str, int]:
    """Insert the events and return public id → key of those that were new."""
    inserted = insert_rows(
        "deliveries_event",
        _COLUMNS,
        rows,
        computed={"created_at": "now()"},
        tail="ON CONFLICT (merchant_id, public_id) DO NOTHING RETURNING public_id, id",
    )
    return dict(inserted)


def _validated(items: list[NewEvent], entries: dict[str, EventType], merchant: Merchant) -> list[tuple[Any, ...]]:
    errors: dict[str, list[str]] = {}
    rows = []
    now = timezone.now()
    for position, item in enumerate(items):
        wrong = {}
        if item.event not in entries:
            wrong["event"] = _unknown(item.event)
        try:
            data, size = _canonical_data(item.data)
        except ValueError as error:
            wrong["data"] = str(error)
            data, size = "", 0
        if item.id is not None and not (isinstance(item.id, str) and ids.CALLER_ID.fullmatch(item.id)):
            wrong["id"] = "An event's id holds 1 to 64 letters, digits, '_' or '-'; leave it out to have one made."
        if item.occurred_at is not None and timezone.is_naive(item.occurred_at):
            wrong["occurred_at"] = "The time has no zone; give an aware time such as 2024-01-15T15:30:00Z."
        if len(item.resource_id) > RESOURCE_ID_MAX or "\0" in item.resource_id:
            wrong["resource_id"] = f"A resource id has at most {RESOURCE_ID_MAX} characters and no NUL."
        if wrong:
            errors.update({f"events.{position}.{name}": [message] for name, message in wrong.items()})
            continue
        rows.append(
            (
                item.id or ids.new_id(ids.EVENT),
                merchant.pk,
                entries[item.event].name,
                data,
                size,
                item.resource_id,
                (item.occurred_at or now).astimezone(UTC),
            )
        )
    if errors:
        raise ValidationError(errors)  # type: ignore[arg-type]
    return rows


def _canonical_data(data: Any) -> tuple[str, int]:
    """Return the canonical text of an object and its size in bytes. Raises ValueError with the place and the mend."""
    if isinstance(data, JsonText):
        text = canonical.canonical_object(data)
    elif isinstance(data, Mapping):
        text = canonical.dump(data)
    else:
        raise ValueError(f'The data is a {type(data).__name__}; publish an object, such as {{"order": {{…}}}}.')
    size = len(text.encode())
    limit = settings.WEBHOOKS_BODY_MAX - ENVELOPE_MAX
    if size > limit:
        raise ValueError(
            f"The data has {size} bytes; at most {limit} are sent. Send ids and let the receiver fetch the rest."
        )
    return text, size


def _unknown(name: Any) -> str:
    if not isinstance(name, str):
        return "An event's name is text, such as order.created."
    return f"No event is named {name[:100]!r}. {suggestion(name[:100])}"


def _merchant(merchant: Merchant | str) -> Merchant:
    if isinstance(merchant, Merchant):
        return merchant
    try:
        return Merchant.objects.get(public_id=merchant, is_active=True)
    except Merchant.DoesNotExist:
        raise ValidationError(
            {"merchant": [f"There is no merchant {merchant!r}; give its mch_… id, as create_merchant prints it."]}
        ) from None


def _without_position(error: ValidationError) -> ValidationError:
    messages = {name.removeprefix("events.0."): texts for name, texts in error.message_dict.items()}
    return ValidationError(messages)  # type: ignore[arg-type]
