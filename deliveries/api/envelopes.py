"""Request bodies that publish events: read once, with `data` left as the text it came in.

Event data is kept as canonical JSON, made from the sender's own number tokens: 25.50 and 9007199254740993 must not turn
into Python numbers first. So the envelope is walked here member by member, and each `data` is cut out as it stands;
`publishing` parses it strictly. The walk costs a few microseconds an event beside the C scanner's pass.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError

from deliveries.publishing.service import JsonText, NewEvent
from subscriptions.api import parsing
from subscriptions.api.formats import EventName
from subscriptions.api.serializers import ApiSerializer, JsonObject, eg
from subscriptions.ids import CALLER_ID

EXAMPLE_DATA: Final = {"order": {"id": "1045", "total": "49.99", "currency": "EUR"}}


class NewEventSerializer(ApiSerializer):
    """An event to publish."""

    event = eg(EventName(help_text="A name of the catalogue."), "order.created")
    data = eg(JsonObject(help_text="As the catalogue's schema of the event has it."), EXAMPLE_DATA)  # type: ignore[assignment]
    id = eg(
        serializers.RegexField(
            rf"^{CALLER_ID.pattern}$",
            required=False,
            allow_null=True,
            help_text="Published twice, the second is dropped.",
        ),
        "order-1045-created",
    )
    occurred_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="With its zone; left out, it is now."
    )
    resource_id = eg(
        serializers.CharField(
            required=False,
            allow_blank=True,
            allow_null=True,
            max_length=200,
            help_text="What the event is about; webhooks can be sent the events of one resource in order.",
        ),
        "order-1045",
    )


class NewBatchSerializer(ApiSerializer):
    """Events to publish together."""

    events = NewEventSerializer(many=True)


MEMBERS: Final = tuple(NewEventSerializer().get_fields())

_SPACE: Final = r"[ \t\n\r]*"
_KEY: Final = re.compile(rf"{_SPACE}\"([^\"\\\x00-\x1f]*)\"{_SPACE}:{_SPACE}")
_AFTER: Final = re.compile(rf"{_SPACE}([,}}\]])")
_OPEN: Final = re.compile(rf"{_SPACE}([{{\[])")
_CLOSED: Final = re.compile(rf"{_SPACE}[}}\]]")
_END: Final = re.compile(rf"{_SPACE}\Z")


_NO_EVENT: Final = 'An event must be an object such as {"event": "order.created", "data": {"id": "1045"}}.'
_NO_BATCH: Final = 'The body must be {"events": [{"event": "order.created", "data": {}}, …]} and nothing else.'


class _Token(str):
    """A number's text; only to tell it from a string, since no member of the envelope is a number."""


def _constant(token: str) -> NoReturn:
    raise ParseError(f"The body is not valid JSON: {token} is no JSON value. Send null or a string.")


_scan: Final = json.JSONDecoder(parse_int=_Token, parse_float=_Token, parse_constant=_constant).raw_decode


def single(body: bytes) -> NewEvent:
    """Return the event of a body `{"event", "data", …}`.

    Raises ParseError (400) for what isn't JSON, ValidationError (422) for members that are missing, unknown or of the
    wrong type.
    """
    text = parsing.decode(body)
    try:
        values, end = _object(text, 0)
    except _Shape as error:
        raise _explain(text, error) from None
    if not _END.match(text, end):
        raise parsing.syntax_error(json.JSONDecodeError("Extra data", text, end))
    return _event(values, "")


def batch(body: bytes) -> list[NewEvent]:
    """Return the events of a body `{"events": [{"event", "data", …}, …]}`. Raises as `single` does."""
    text = parsing.decode(body)
    try:
        items, end = _events(text)
    except _Shape as error:
        raise _explain(text, error) from None
    if not _END.match(text, end):
        raise parsing.syntax_error(json.JSONDecodeError("Extra data", text, end))
    problems: dict[str, list[str]] = {}
    events = []
    for position, values in enumerate(items):
        try:
            events.append(_event(values, f"events.{position}."))
        except ValidationError as error:
            problems.update(error.detail)  # type: ignore[arg-type]
    if problems:
        raise ValidationError(problems)
    return events


# --- walking ----------------------------------------------------------------------------------------------------


class _Shape(Exception):
    """Here stands something else than an envelope has at this place; or the text isn't JSON at all."""


def _explain(text: str, error: _Shape) -> Exception:
    """Return what is wrong with a body that couldn't be walked, when it is JSON. Raises ParseError when it isn't."""
    parsing.load(text.encode())
    return ValidationError([str(error)], "wrong_shape")


def _object(text: str, index: int) -> tuple[dict[str, Any], int]:
    """Return an object's members and the index behind it; `data` as the text it is, the others as values."""
    values: dict[str, Any] = {}
    index = _opened(text, index, "{", _NO_EVENT)
    if empty := _CLOSED.match(text, index):
        return values, empty.end()
    while True:
        key = _KEY.match(text, index)
        if key is None:
            raise _Shape("The members' names must be written plainly: " + ", ".join(MEMBERS) + ".")
        name, start = key[1], key.end()
        value, end = _value(text, start)
        if name in values:
            raise ParseError(f"The key {name[:60]!r} occurs twice in one object. Keep one.")
        values[name] = JsonText(text[start:end]) if name == "data" else value
        mark, index = _mark(text, end)
        if mark == "}":
            return values, index
        if mark != ",":
            raise _Shape(_NO_EVENT)


def _events(text: str) -> tuple[list[dict[str, Any]], int]:
    index = _opened(text, 0, "{", _NO_BATCH)
    key = _KEY.match(text, index)
    if key is None or key[1] != "events":
        raise _Shape(_NO_BATCH)
    items = []
    mark, index = ",", _opened(text, key.end(), "[", _NO_BATCH)
    if empty := _CLOSED.match(text, index):
        mark, index = "]", empty.end()
    while mark == ",":
        values, index = _object(text, index)
        items.append(values)
        mark, index = _mark(text, index)
    last, index = _mark(text, index) if mark == "]" else ("", index)
    if last != "}":
        raise _Shape(_NO_BATCH)
    return items, index


def _opened(text: str, index: int, bracket: str, otherwise: str) -> int:
    opening = _OPEN.match(text, index)
    if opening is None or opening[1] != bracket:
        raise _Shape(otherwise)
    return opening.end()


def _mark(text: str, index: int) -> tuple[str, int]:
    after = _AFTER.match(text, index)
    return (after[1], after.end()) if after else ("", index)


def _value(text: str, index: int) -> tuple[Any, int]:
    try:
        return _scan(text, index)
    except json.JSONDecodeError as error:
        raise parsing.syntax_error(error) from None
    except RecursionError:
        raise parsing.unusable(parsing.TOO_DEEP) from None


# --- what the members must be -----------------------------------------------------------------------------------


def _event(values: dict[str, Any], prefix: str) -> NewEvent:
    unknown = f"An event has no such member. It has: {', '.join(MEMBERS)}."
    wrong = {name[:60]: unknown for name in values if name not in MEMBERS}
    wrong |= {name: "This field is required." for name in ("event", "data") if name not in values}
    for name in ("event", "id", "resource_id"):
        value = values.get(name)
        if value is not None and (problem := _wrong_text(value)):
            wrong[name] = problem
    occurred_at = None
    if (raw := values.get("occurred_at")) is not None:
        occurred_at = _moment(raw)
        if occurred_at is None:
            wrong["occurred_at"] = "Give a moment with its zone, such as 2024-01-15T15:30:00Z."
    if wrong:
        raise ValidationError({prefix + name: [message] for name, message in wrong.items()})
    return NewEvent(
        event=values["event"],
        data=values["data"],
        id=values.get("id"),
        occurred_at=occurred_at,
        resource_id=values.get("resource_id") or "",
    )


def _wrong_text(value: Any) -> str:
    if type(value) is not str:
        return "This must be text."
    return "This holds U+0000 or half of a surrogate pair. Remove it." if parsing.BAD_CHARACTER.search(value) else ""


def _moment(value: Any) -> datetime | None:
    if type(value) is not str:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
