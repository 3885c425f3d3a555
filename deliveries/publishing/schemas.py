"""Data against the catalogue's JSON Schema (draft 2020-12), for merchants that turned `validate_events` on.

Formats (`date-time`, `email`, `uri`) are checked too. A schema never fetches anything: a `$ref` to elsewhere is
refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, NoReturn

import jsonschema_rs
from django.db.models import TextField
from django.db.models.functions import Cast

from deliveries.publishing.schema_looks import Looks
from subscriptions.models import EventType

ERRORS_MAX = 100
"""Errors listed for one event; a line at the end says when there are more."""
SHOWN = 60
"""Characters of a wrong value that an error repeats."""
MESSAGE_MAX = 400
"""Characters of what the schema itself (a long list of choices, say) may add to an error."""
LOOKS_MAX = 300
"""Ways in which a schema may look at one value of wrong data for its errors to be listed."""
FLAT_LOOKS_MAX = 10_000
"""Ways in which it may look at a value at all."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_NUMERIC = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_compiled: dict[str, tuple[bytes, Schema]] = {}  # event type's name → digest of its schema, and the schema compiled

DECIMAL_MEND = (
    "Send a number without quotes; from Python as an int or a float: a Decimal is written as a string, to stay exact."
)


class Schema:
    """A compiled schema of one event type; `unusable` says why where it can't be one."""

    def __init__(self, name: str, text: str) -> None:
        self.unusable = ""
        self._name = name
        try:
            schema = json.loads(text)
            self._validator = jsonschema_rs.Draft202012Validator(
                schema, retriever=_deny, validate_formats=True, mask="it"
            )
            self._looks = Looks(schema)
            if self._looks.exceed(FLAT_LOOKS_MAX, 0):
                raise ValueError("its definitions refer to each other so often that one value takes too many looks")
        except ValueError as error:
            reason = str(error).partition("\n")[0][:MESSAGE_MAX]
            self.unusable = (
                f"data: the catalogue's schema of {name!r} can't be used: {reason}. "
                "Fix it under Event types, or turn the check of events off for the merchant."
            )

    def errors(self, data: str) -> list[str]:
        """Return what is wrong with an event's data (canonical JSON text), each with its place and the fix."""
        if self.unusable:
            return [self.unusable]
        value = json.loads(data)
        if self._validator.is_valid(value):
            return []
        if self._looks.exceed(LOOKS_MAX, _depth(value)):  # the errors of each would be made
            return [
                f"data: doesn't fit the catalogue's schema of {self._name!r}, which is too entangled to say where at "
                "this depth. Nest the data less, and the error is named."
            ]
        found = self._validator.iter_errors(value)
        messages = [_message(error) for error in islice(found, ERRORS_MAX)]
        if next(found, None) is not None:
            messages.append(f"data: there are more errors than these {ERRORS_MAX}. Fix them first.")
        return messages


def schemas(names: Collection[str]) -> dict[str, Schema]:
    """Return event type name → its schema, in one query; each is compiled once, and anew when the catalogue changed."""
    rows: Iterable[tuple[str, str]] = EventType.objects.filter(name__in=names).values_list(
        "name", Cast("schema", TextField())
    )
    return {name: _schema(name, text) for name, text in rows}


def _schema(name: str, text: str) -> Schema:
    digest = hashlib.sha256(text.encode()).digest()
    known = _compiled.get(name)
    if known is None or known[0] != digest:
        known = _compiled[name] = digest, Schema(name, text)
    return known[1]


def _depth(value: Any) -> int:
    """Return how many levels of objects and lists there are."""
    depth, level = -1, [value]
    while level:
        depth += 1
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _deny(uri: str) -> NoReturn:
    raise ValueError(f"it points to {uri}, and schemas are not fetched; put the definition under its own $defs")


def _message(error: jsonschema_rs.ValidationError) -> str:
    place = "data" + "".join(map(_step, error.instance_path))
    kind, about = error.kind.name, error.kind.as_dict()
    if kind == "required":
        return f"{place}{_step(about['property'])}: is missing, and the schema requires it. Add it."
    if kind == "type":
        wanted = " or ".join(about["types"])
        return f"{place}: is {_shown(error.instance)}, but must be of type {wanted}. {_mend(about, error.instance)}"
    if kind == "additionalProperties":
        unknown = ", ".join(map(_shown, about["unexpected"][:10]))
        return f"{place}: has properties that the schema doesn't know: {unknown}. Leave them out or fix their names."
    if kind == "format":
        return f"{place}: is {_shown(error.instance)}, which is no {about['format']}. {_example(about['format'])}"
    message = error.message[:1].lower() + error.message[1:MESSAGE_MAX]
    return f"{place}: is {_shown(error.instance)}; {message}. Change the value, or the schema under Event types."


def _mend(about: dict[str, Any], value: Any) -> str:
    types = set(about["types"])
    if types & {"number", "integer"} and isinstance(value, str) and _NUMERIC.fullmatch(value):
        return DECIMAL_MEND
    if "string" in types and isinstance(value, int | float) and not isinstance(value, bool):
        return "Put it in quotes; a Python Decimal is written so by itself."
    if value is None:
        return "Leave the property out where there is no value, or give it one."
    return f"Send {' or '.join(about['types'])}."


_EXAMPLES = {
    "date-time": "Write it with its zone, such as 2024-01-15T15:30:00Z.",
    "date": "Write it as 2024-01-15.",
    "email": "Write it as customer@example.com.",
    "uri": "Write the whole address, with https:// in front.",
}


def _example(name: str) -> str:
    return _EXAMPLES.get(name, "Change the value.")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{_shown(step)}]"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}…{text[-SHOWN // 2 :]}"
