"""How many ways a schema has to look at one value: it grows with each level of data where schemas refer to themselves.

`{"anyOf": [{…"$ref": "#"…}, {…"$ref": "#"…}]}` looks at a value twice, at one below it four times, and so on. Whether
data fits is found out once a value all the same; to say why not, the errors of every way are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

MANY: Final = 1_000_000
"""Where counting ends."""
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_PARTS: Final = ("not", "if", "then", "else")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_REFERENCES: Final = ("$ref", "$dynamicRef")


class _Endless(Exception):
    """A schema refers to itself without going deeper into the data."""


class Looks:
    """Counts for one schema, as `json.loads` gives it."""

    def __init__(self, schema: Any) -> None:
        self._root = schema if isinstance(schema, dict) else {}
        self._base = str(self._root.get("$id", "")).partition("#")[0]
        self._anchors = dict(_anchors(self._root))
        self._schemas: dict[int, dict[str, Any]] = {}
        self._at_once: dict[int, Counter[int]] = {}
        self._counted: dict[tuple[int, int], int] = {}

    def at(self, depth: int) -> int:
        """Return the most ways there are to look at a value that lies so deep; MANY at most."""
        try:
            return self._looks(self._root, depth)
        except _Endless:
            return MANY

    def exceed(self, limit: int, depth: int) -> bool:
        """Tell whether there are more ways than `limit` to look at a value down to that depth."""
        return any(self.at(level) > limit for level in range(depth + 1))  # counting ends where it is too much

    def _looks(self, schema: dict[str, Any], depth: int) -> int:
        key = id(schema), depth
        if key not in self._counted:
            together = self._together(schema, frozenset())
            found = [sum(together.values())]
            if depth:
                found = [
                    sum(
                        times * self._looks(below, depth - 1)
                        for one, times in together.items()
                        for below in _below(self._schemas[one], place)
                    )
                    for place in _places([self._schemas[one] for one in together])
                ]
            self._counted[key] = min(MANY, max(found, default=0))
        return self._counted[key]

    def _together(self, schema: dict[str, Any], above: frozenset[int]) -> Counter[int]:
        """Return the schemas that look at the same value as this one does, with how often. Raises _Endless."""
        key = id(schema)
        if key in above:
            raise _Endless
        if key not in self._at_once:
            self._schemas[key] = schema
            found = Counter({key: 1})
            for part in self._parts(schema):
                for one, times in self._together(part, above | {key}).items():
                    found[one] = min(MANY, found[one] + times)
            self._at_once[key] = found
        return self._at_once[key]

    def _parts(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in _LISTS:
            yield from _objects(schema.get(name))
        yield from _objects([schema.get(name) for name in _PARTS])
        yield from _objects(schema.get("dependentSchemas"))
        yield from _objects([self._target(schema[name]) for name in _REFERENCES if name in schema])

    def _target(self, reference: Any) -> Any:
        """Return the schema that a reference leads to; None for one that leads out of this document."""
        base, _, place = str(reference).partition("#")
        if base not in ("", self._base):
            return None
        if not place.startswith("/"):
            return self._anchors.get(place) if place else self._root
        found: Any = self._root
        for step in unquote(place[1:]).split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found


Place = str | int | None
"""In a list, an item's number; in an object, a member that a schema names, or None for all others."""


def _places(schemas: list[dict[str, Any]]) -> set[Place]:
    longest = max(len(schema.get("prefixItems") or ()) for schema in schemas)
    names = {name for schema in schemas for name in schema.get("properties") or ()}
    return {*names, None, *range(longest + 1)}


def _below(schema: dict[str, Any], place: Place) -> Iterator[dict[str, Any]]:
    """Yield what of a schema looks at the value in that place."""
    if not isinstance(place, int):
        named = schema.get("properties") or {}
        rest = [schema.get("additionalProperties"), schema.get("unevaluatedProperties")]
        yield from _objects([named[place]] if place in named else rest)
        yield from _objects(schema.get("patternProperties"))
    else:
        numbered = schema.get("prefixItems") or []
        rest = [schema.get("items"), schema.get("unevaluatedItems")]
        yield from _objects(numbered[place : place + 1] or rest)
        yield from _objects([schema.get("contains")])


def _objects(found: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas among values: true and false are schemas, too, that look at nothing."""
    values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    yield from (each for each in values if isinstance(each, dict))


def _anchors(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from ((value[name], value) for name in _ANCHORS if isinstance(value.get(name), str))
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _anchors(part)
