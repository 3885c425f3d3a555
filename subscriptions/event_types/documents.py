"""Reads one document's file of the catalogue, strictly: whatever isn't understood is refused, never skipped.

A file is `{"source", "title", "definitions", "events"}`. An event is `{"name", "group", "description", "schema"}`
with optional `aliases` and either `example` (its `data`) or `example_event` (the whole body the document prints).
Schemas may point into the file's `definitions` with `{"$ref": "#/$defs/NAME"}`; the definitions a schema uses are
copied into it, so that each stands alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from subscriptions.patterns import validate_event_name

SCHEMA_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_FILE_KEYS = {"source", "title", "definitions", "events"}
_EVENT_KEYS = {"name", "group", "description", "schema"}
_OPTIONAL_EVENT_KEYS = {"aliases", "example", "example_event"}
_LOCAL = "#/$defs/"


class CatalogueError(ValueError):
    """A catalogue file is malformed; the message names the file, the event and the fix."""


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file: `events` hold checked dicts whose schemas stand alone."""

    source: str
    title: str
    events: tuple[dict[str, Any], ...]


def parse_document(source: str, text: str) -> Document:
    """Return the document in `text`, the content of `{source}.json`.

    Raises CatalogueError on anything not understood.
    """
    where = f"{source}.json"
    try:
        content = json.loads(
            text, object_pairs_hook=_unique_keys, parse_float=_plain_number, parse_constant=_refuse_constant
        )
    except ValueError as error:
        raise CatalogueError(f"{where}: {error}. Fix the JSON.") from error
    _check_keys(where, content, required=_FILE_KEYS)
    if content["source"] != source:
        raise CatalogueError(f"{where}: source is {content['source']!r}. Write {source!r}, the file's name.")
    _check_types(where, content, {"title": str, "definitions": dict, "events": list})
    events = tuple(_event(where, event, content["definitions"]) for event in content["events"])
    _refuse_unused_definitions(where, content["definitions"], events)
    return Document(source=source, title=content["title"], events=events)


def _event(where: str, event: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    _check_keys(f"{where}, an event", event, required={"name"}, optional=_EVENT_KEYS | _OPTIONAL_EVENT_KEYS)
    where = f"{where}, {event['name']}"
    _check_keys(where, event, required=_EVENT_KEYS, optional=_OPTIONAL_EVENT_KEYS)
    _check_types(where, event, {"group": str, "description": str, "schema": dict, "aliases": list})
    for name in (event["name"], event["group"], *event.get("aliases", ())):
        try:
            validate_event_name(name)
        except ValueError as error:
            raise CatalogueError(f"{where}: {error}") from error
    if not event["description"].endswith("."):
        raise CatalogueError(
            f"{where}: the description isn't a sentence. Say when the event happens and end with a full stop."
        )
    _check_example(where, event)
    return {**event, "schema": _standalone(where, event["schema"], definitions)}


def _check_example(where: str, event: dict[str, Any]) -> None:
    if ("example" in event) == ("example_event" in event):
        raise CatalogueError(f"{where}: give either example (the data) or example_event (the document's whole body).")
    whole = event.get("example_event", {"event": event["name"], "data": event.get("example")})
    if not isinstance(whole, dict) or whole.get("event") != event["name"]:
        raise CatalogueError(
            f"{where}: example_event is not a body of this event. Its event must be {event['name']!r}."
        )
    if not isinstance(whole.get("data"), dict):
        raise CatalogueError(f"{where}: the example's data is not an object. Write it as one.")


def _standalone(where: str, schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` naming its draft and carrying the definitions it needs, in the file's order."""
    needed: set[str] = set()
    pending: list[Any] = [schema]
    while pending:
        for pointer in _refs(pending.pop()):
            name = pointer.removeprefix(_LOCAL)
            if name == pointer or name not in definitions:
                raise CatalogueError(
                    f"{where}: the schema points to {pointer!r}. Use {_LOCAL}NAME with one of the file's definitions."
                )
            if name not in needed:
                needed.add(name)
                pending.append(definitions[name])
    carried = {name: definition for name, definition in definitions.items() if name in needed}
    return {"$schema": SCHEMA_DRAFT, **schema, **({"$defs": carried} if carried else {})}


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        schema = schema.values()
    elif not isinstance(schema, list):
        return
    for part in schema:
        yield from _refs(part)


def _refuse_unused_definitions(where: str, definitions: dict[str, Any], events: tuple[dict[str, Any], ...]) -> None:
    used = {name for event in events for name in event["schema"].get("$defs", ())}
    if unused := sorted(definitions.keys() - used):
        raise CatalogueError(f"{where}: no event uses the definitions {', '.join(unused)}. Remove them.")


def _check_keys(where: str, value: Any, *, required: Set[str], optional: Set[str] = frozenset()) -> None:
    if not isinstance(value, dict):
        raise CatalogueError(f"{where}: {type(value).__name__} found. Write an object.")
    if missing := sorted(required - value.keys()):
        raise CatalogueError(f"{where}: {', '.join(missing)} missing. Add it.")
    if unknown := sorted(value.keys() - required - optional):
        raise CatalogueError(
            f"{where}: unknown {', '.join(unknown)}. Known are {', '.join(sorted(required | optional))}."
        )


def _check_types(where: str, value: dict[str, Any], types: dict[str, type]) -> None:
    for key, expected in types.items():
        if key in value and not isinstance(value[key], expected):
            raise CatalogueError(f"{where}: {key} is {type(value[key]).__name__}. Write {expected.__name__}.")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice in one object"
        )
    return value


def _plain_number(token: str) -> float:
    """Accept fractions in the one form that Python and JavaScript both write: `25.5`, not `25.50`, `25.0` or `2e-7`."""
    value = float(token)
    if repr(value) != token or value.is_integer() or "e" in token:
        raise ValueError(f"the number {token} isn't written as JavaScript would write it")
    return value


def _refuse_constant(token: str) -> None:
    raise ValueError(f"{token} is not JSON")
