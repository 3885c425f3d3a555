"""Publishing: check events and store them with their deliveries, in the caller's transaction where there is one.

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
from django.db import transaction

from deliveries.models import Event
from deliveries.publishing import body_sizes, storing, validation
from deliveries.publishing.validation import JsonText, NewEvent
from subscriptions.matching import known_events
from subscriptions.models import Merchant

__all__ = ["JsonText", "NewEvent", "Published", "publish", "publish_many"]


@dataclass(slots=True)
class Published:
    """What became of one event. `duplicate`: its id was published before; nothing was stored again."""

    event_id: str
    event: str
    deliveries: int = 0
    duplicate: bool = False


Results = list[tuple[Published, Event | None]]
listeners: list[Callable[[Merchant, Results], None]] = []
"""Told of all that is stored, at once; for `publishing.testing` only. While there are some, nobody is woken."""


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
        ValidationError: With the field and the fix; nothing is stored.
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
    items = validation.new_events(events)
    tenant = _merchant(merchant)
    if len(items) > settings.WEBHOOKS_BATCH_MAX:
        raise ValidationError(
            {"events": [f"{len(items)} events in one batch; send at most {settings.WEBHOOKS_BATCH_MAX} at a time."]}
        )
    return [published for published, _stored in _publish(items, tenant)] if items else []


def _publish(items: Sequence[NewEvent], merchant: Merchant) -> Results:
    entries = known_events({item.event for item in items if validation.is_storable(item.event)})
    rows = validation.check(items, entries, merchant)
    body_sizes.check(rows, entries, merchant)
    quiet = bool(listeners)
    if len(items) > 1 and any(item.id for item in items):
        with transaction.atomic():
            storing.take_turns(merchant.pk)
            stored = storing.store(rows, entries, quiet=quiet)
    else:
        stored = storing.store(rows, entries, quiet=quiet)
    results = [_result(row, made) for row, made in zip(rows, stored, strict=True)]
    for listener in listeners:
        listener(merchant, results)
    return results


def _result(row: validation.Row, stored: storing.Stored | None) -> tuple[Published, Event | None]:
    if stored is None:
        return Published(row.public_id, row.type, duplicate=True), None
    event = Event(**row._asdict(), id=stored.pk, created_at=stored.created_at)
    event._state.adding = False
    return Published(row.public_id, row.type, stored.deliveries), event


def _merchant(merchant: Merchant | str) -> Merchant:
    if isinstance(merchant, Merchant):
        if not merchant.is_active:
            raise ValidationError({"merchant": [f"{merchant} is not active. Activate it before publishing for it."]})
        return merchant
    found = (
        Merchant.objects.filter(public_id=merchant, is_active=True).first()
        if validation.is_storable(merchant)
        else None
    )
    if found is None:
        raise ValidationError(
            {"merchant": [f"There is no merchant {merchant!r}; give its mch_… id, as create_merchant prints it."]}
        )
    return found


def _without_position(error: ValidationError) -> ValidationError:
    messages = {name.removeprefix("events.0."): texts for name, texts in error.message_dict.items()}
    return ValidationError(messages)
