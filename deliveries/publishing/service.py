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

from django.core.exceptions import ValidationError
from django.db import transaction

from deliveries.models import Event
from deliveries.publishing import body_sizes, storing, validation
from deliveries.publishing.validation import JsonText, NewEvent
from subscriptions.conf import settings
from subscriptions.matching import KnownEvent, known_events
from subscriptions.models import Merchant

__all__ = ["IdTaken", "JsonText", "NewEvent", "Published", "publish", "publish_many"]


class IdTaken(ValidationError):
    """An id under which another event was published before; nothing of the call was stored."""


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
        id: The event's id, if the source has one: `[A-Za-z0-9_-]{1,64}`; published again with the same event, data and
            resource_id, it is dropped.
        occurred_at: When it happened; now if left out. Must be aware.
        resource_id: What it happened to, for search and for order a resource.

    Raises:
        IdTaken: The id was published before with other content; it is a ValidationError.
        ValidationError: With the field and the fix; nothing is stored.
    """
    tenant = _merchant(merchant)
    try:
        [(made, stored)] = _publish([NewEvent(event, data, id, occurred_at, resource_id)], tenant)
    except ValidationError as error:
        raise _without_position(error) from None
    return stored or Event.objects.get(merchant=tenant, public_id=made.event_id)


def publish_many(events: Iterable[NewEvent | Mapping[str, Any]], *, merchant: Merchant | str) -> list[Published]:
    """Publish up to WEBHOOKS_BATCH_MAX events at once: all or none, a handful of statements.

    Raises:
        IdTaken: Ids that were published before with other content; nothing is stored.
        ValidationError: Every wrong field of every event, as `events.3.data`; nothing is stored.
    """
    items = validation.new_events(events)
    tenant = _merchant(merchant)
    if len(items) > settings.WEBHOOKS_BATCH_MAX:
        raise ValidationError(
            {"events": [f"{len(items)} events in one batch; send at most {settings.WEBHOOKS_BATCH_MAX} at a time."]}
        )
    return [made for made, _stored in _publish(items, tenant)] if items else []


@dataclass(slots=True)
class Checked:
    """A request's events, of one merchant: checked rows in the order given, and their entries of the catalogue."""

    merchant_id: int
    entries: dict[str, KnownEvent]
    rows: list[validation.Row]
    own_ids: bool
    """Whether a caller's own id is among them."""


def check(items: Sequence[NewEvent], merchant: Merchant) -> Checked:
    """Return events as they will be stored. Raises ValidationError with every wrong field, as `events.3.data`."""
    entries = known_events({item.event for item in items if validation.is_storable(item.event)})
    rows = validation.check(items, entries, merchant)
    body_sizes.check(rows, entries, merchant)
    return Checked(merchant.pk, entries, rows, any(item.id for item in items))


def _publish(items: Sequence[NewEvent], merchant: Merchant) -> Results:
    checked = check(items, merchant)
    if takes_turns(checked):
        with transaction.atomic():
            storing.take_turns(merchant.pk)
            stored = _store(checked)
    else:
        stored = _store(checked)
    results = [(published(row, made), _event(row, made)) for row, made in zip(checked.rows, stored, strict=True)]
    for listener in listeners:
        listener(merchant, results)
    return results


def _store(checked: Checked) -> list[storing.Stored | None]:
    stored = storing.store(checked.rows, checked.entries, new_ids=not checked.own_ids, quiet=bool(listeners))
    refuse_other_content(checked.rows, stored)
    return stored


def refuse_other_content(rows: Sequence[validation.Row], stored: Sequence[storing.Stored | None]) -> None:
    """Raise IdTaken where a row wasn't stored because its id stands for an event with other content."""
    repeated = [position for position, made in enumerate(stored) if made is None]
    if not repeated:
        return
    taken = storing.taken_by_others([rows[position] for position in repeated])
    wrong = {
        f"events.{position}.id": [
            f"The id {rows[position].public_id!r} was published before with other content. An event published again "
            "must be the same in event, data and resource_id; give this one an id of its own."
        ]
        for position, is_other in zip(repeated, taken, strict=True)
        if is_other
    }
    if wrong:
        raise IdTaken(wrong)


def takes_turns(checked: Checked) -> bool:
    """Tell whether a batch must wait for others of its merchant (`storing.take_turns`)."""
    return checked.own_ids and len(checked.rows) > 1


def published(row: validation.Row, stored: storing.Stored | None) -> Published:
    """Return what is told of a row, given what was stored of it."""
    if stored is None:
        return Published(row.public_id, row.type, duplicate=True)
    return Published(row.public_id, row.type, stored.deliveries)


def _event(row: validation.Row, stored: storing.Stored | None) -> Event | None:
    if stored is None:
        return None
    event = Event(**row._asdict(), id=stored.pk, created_at=stored.created_at)
    event._state.adding = False
    return event


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
    return type(error)(messages)
