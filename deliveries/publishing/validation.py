"""What may be published: events are checked whole, and every wrong field is named, before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils import timezone

from deliveries.payloads import canonical_json
from deliveries.publishing import schemas
from subscriptions import ids
from subscriptions.conf import settings
from subscriptions.logs import get_logger
from subscriptions.matching import OPERATIONS, KnownEvent, suggestion
from subscriptions.models import Merchant

log = get_logger(__name__)

ENVELOPE_MAX = 2048
"""Bytes kept free for the largest envelope, so that data that was accepted always fits the whole body's limit."""
RESOURCE_ID_MAX = 200
LARGE = 100 * 1024
"""Bytes above which many receivers need a setting of their own to accept a body."""
FIRST_YEAR = 1000
"""Of `occurred_at`; years with fewer digits are mistakes."""
SHOWN = 100
"""Characters of a wrong value that an error repeats."""


_SURROGATE = re.compile("[\ud800-\udfff]")


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


class Row(NamedTuple):
    """A checked event, as it is stored."""

    public_id: str
    merchant_id: int
    type: str
    data: str
    size: int
    resource_id: str
    occurred_at: datetime


def new_events(items: Iterable[NewEvent | Mapping[str, Any]]) -> list[NewEvent]:
    """Return mappings as NewEvents. Raises ValidationError naming a missing or unknown field."""
    known = {field.name for field in fields(NewEvent)}
    events = []
    for position, item in enumerate(items):
        if isinstance(item, NewEvent):
            events.append(item)
            continue
        if not isinstance(item, Mapping):
            raise ValidationError({f"events.{position}": [f"An event is an object, not a {type(item).__name__}."]})
        wrong = {name: ["This field is required."] for name in ("event", "data") if name not in item}
        wrong |= {
            name: [f"There is no such field; an event has {', '.join(sorted(known))}."] for name in item.keys() - known
        }
        if wrong:
            raise ValidationError({f"events.{position}.{name}": texts for name, texts in wrong.items()})
        events.append(NewEvent(**item))
    return events


def check(items: Sequence[NewEvent], entries: Mapping[str, KnownEvent], merchant: Merchant) -> list[Row]:
    """Return the events as they will be stored. Raises ValidationError with every wrong field, as `events.3.data`."""
    errors: dict[str, list[str]] = {}
    rows = []
    now = timezone.now()
    known = _schemas(entries) if merchant.validate_events else {}
    for position, item in enumerate(items):
        wrong, data, size = _wrong_fields(item, entries)
        messages = {name: [message] for name, message in wrong.items()}
        if known and not wrong.keys() & {"event", "data"} and (schema := known.get(entries[item.event].name)):
            messages |= {"data": faults} if (faults := schema.errors(data)) else {}
        if messages:
            errors.update({f"events.{position}.{name}": texts for name, texts in messages.items()})
            continue
        rows.append(
            Row(
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
        raise ValidationError(errors)
    return rows


def _schemas(entries: Mapping[str, KnownEvent]) -> dict[str, schemas.Schema]:
    """Return the schemas of these events; our own news about webhooks need none, and must not be lost."""
    return schemas.schemas({entry.name for entry in entries.values() if entry.source != OPERATIONS})


def _wrong_fields(item: NewEvent, entries: Mapping[str, KnownEvent]) -> tuple[dict[str, str], str, int]:
    wrong, data, size = {}, "", 0
    if not isinstance(item.event, str):
        wrong["event"] = "An event's name is text, such as order.created."
    elif item.event not in entries:
        name = item.event[:SHOWN]
        wrong["event"] = f"No event is named {name!r}. {suggestion(name)}"
    try:
        data, size = _canonical_data(item.data)
    except ValueError as error:
        wrong["data"] = str(error)
    if item.id is not None and not (isinstance(item.id, str) and ids.CALLER_ID.fullmatch(item.id)):
        wrong["id"] = "An event's id holds 1 to 64 letters, digits, '_' or '-'; leave it out to have one made."
    moment = item.occurred_at
    if moment is not None and not _is_moment(moment):
        wrong["occurred_at"] = "It must be a time with its zone, such as 2024-01-15T15:30:00Z; leave it out for now."
    resource = item.resource_id
    if not is_storable(resource) or len(resource) > RESOURCE_ID_MAX:
        wrong["resource_id"] = f"A resource id is text of at most {RESOURCE_ID_MAX} characters, without NUL."
    return wrong, data, size


def is_storable(value: object) -> bool:
    """Tell whether a value is text that the database takes: no NUL, no half of a surrogate pair."""
    return isinstance(value, str) and "\0" not in value and not _SURROGATE.search(value)


def _is_moment(value: object) -> bool:
    """Tell whether a value is an aware time of a year with four digits, in its zone and in UTC."""
    if not isinstance(value, datetime) or timezone.is_naive(value):
        return False
    try:
        return value.astimezone(UTC).year >= FIRST_YEAR
    except OverflowError:
        return False


def _canonical_data(data: Any) -> tuple[str, int]:
    """Return the canonical text of an object and its size in bytes. Raises ValueError with the place and the fix."""
    if isinstance(data, JsonText):
        text = canonical_json.canonical_object(data)
    elif isinstance(data, Mapping):
        text = canonical_json.dump(data)
    else:
        raise ValueError(f'The data is a {type(data).__name__}; publish an object, such as {{"order": {{…}}}}.')
    size = len(text) if text.isascii() else len(text.encode())
    limit = settings.WEBHOOKS_BODY_MAX - ENVELOPE_MAX
    if size > limit:
        raise ValueError(
            f"The data has {size} bytes; at most {limit} are sent. Send ids and let your endpoint fetch the rest."
        )
    if size > LARGE:
        log.warning("event_large", bytes=size, advice="Express refuses bodies over 100 KiB unless set otherwise")
    return text, size
