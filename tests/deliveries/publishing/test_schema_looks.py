"""A schema that refers to itself in several ways takes no longer for deep data than others, and says what is wrong."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from typing import Any

import pytest

from deliveries.publishing.schema_looks import MANY, Looks
from deliveries.publishing.schemas import Schema
from subscriptions import catalogue

SECONDS, BYTES = 0.005, 1_000_000
AGAIN = {"$ref": "#/$defs/a"}
BELOW = {"properties": {"a": AGAIN}}
DEEP = 60


def recursive(body: dict[str, Any]) -> dict[str, Any]:
    return {"$defs": {"a": body}, **AGAIN}


def doubled(count: int) -> dict[str, Any]:
    """Definitions of which each refers twice to the next."""
    defs: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(count)}
    return {"$defs": {**defs, f"d{count}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def nested(depth: int, leaf: Any = 1) -> Any:
    for _ in range(depth):
        leaf = {"a": leaf, "b": [leaf]} if depth < 10 else {"a": leaf}
    return leaf


def monster(number: int) -> dict[str, Any]:
    """Return a schema made of compositions by a seed; each of them refers to itself."""
    draw = random.Random(number)

    def part(depth: int) -> dict[str, Any]:
        if depth == 0:
            ends: list[dict[str, Any]] = [BELOW, {**BELOW, "required": ["a"]}]
            return draw.choice([*ends, {"additionalProperties": AGAIN}, {"items": AGAIN}])
        made: dict[str, Any] = {}
        for _ in range(draw.randint(1, 3)):
            name = draw.choice(["anyOf", "oneOf", "allOf", "not", "if", "dependentSchemas", "patternProperties", "a"])
            inner = [part(depth - 1) for _ in range(draw.randint(2, 3))]
            match name:
                case "anyOf" | "oneOf" | "allOf":
                    made[name] = inner
                case "not":
                    made[name] = inner[0]
                case "if":
                    made |= {"if": inner[0], "then": inner[1], "else": inner[-1]}
                case "dependentSchemas" | "patternProperties":
                    made[name] = {"a" if name == "dependentSchemas" else "^a": inner[0]}
                case _:
                    made |= {"properties": {"a": inner[0]}, "unevaluatedProperties": inner[1]}
        return made

    return recursive(part(draw.randint(1, 3)) | draw.choice([{}, {"type": "object"}, {"maxProperties": 1}]))


FIXED: dict[str, dict[str, Any]] = {
    "anyOf": recursive({"anyOf": [{**BELOW, "required": ["z"]}, {**BELOW, "required": ["z"]}]}),
    "anyOf of what ends wrong": recursive({"anyOf": [{**BELOW, "type": "object"}, {**BELOW, "required": ["a"]}]}),
    "oneOf": recursive({"oneOf": [{**BELOW, "type": "object"}, {**BELOW, "type": "object"}]}),
    "allOf": recursive({"allOf": [{**BELOW, "type": "object"}, BELOW]}),
    "not": recursive({"allOf": [{"not": {"not": BELOW}}, {"not": BELOW}]}),
    "if": recursive({"if": BELOW, "then": {**BELOW, "type": "object"}, "else": {**BELOW, "type": "object"}}),
    "names and patterns": recursive({**BELOW, "patternProperties": {"^a": AGAIN}, "type": "object"}),
    "dynamic": {
        "$dynamicAnchor": "n",
        "type": "object",
        "anyOf": [{"properties": {"a": {"$dynamicRef": "#n"}}} for _ in range(2)],
    },
    "definitions that double": doubled(40),
    "a ring": recursive({"allOf": [AGAIN]}),
}
MONSTERS = {**FIXED, **{f"monster {number}": monster(number) for number in range(100)}}


@pytest.mark.parametrize("depth", [3, 14, DEEP])
@pytest.mark.parametrize("name", MONSTERS)
def test_deep_data_costs_little_whatever_the_schema_says(name: str, depth: int) -> None:
    schema, text = Schema("order.created", json.dumps(MONSTERS[name])), json.dumps(nested(depth))
    Schema("order.created", "{}").errors("{}")  # what a first use loads isn't counted
    times = []
    for _ in range(3):
        tracemalloc.start()
        began = time.thread_time()
        schema.errors(text)
        times.append(time.thread_time() - began)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < BYTES
        if times[-1] < SECONDS:
            break
    assert min(times) < SECONDS


@pytest.mark.parametrize("name", ["anyOf", "oneOf", "allOf"])
def test_what_is_wrong_with_data_of_usual_depth_is_named(name: str) -> None:
    schema = Schema("order.created", json.dumps(FIXED[name]))
    [said, *_] = schema.errors(json.dumps(nested(2)))
    assert "too entangled" not in said
    [said] = schema.errors(json.dumps(nested(DEEP)))
    assert said == (
        "data: doesn't fit the catalogue's schema of 'order.created', which is too entangled to say where at "
        "this depth. Nest the data less, and the error is named."
    )


@pytest.mark.parametrize(
    ("schema", "looks"),
    [
        ({}, [1, 0, 0]),
        ({"properties": {"a": {}, "b": {}}}, [1, 1, 0]),
        ({"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}}, {"additionalProperties": {"$ref": "#"}}]}, [4, 5, 5]),
        ({"oneOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}, [3, 8, 16]),
        ({"$id": "https://x.example/s", "items": {"$ref": "https://x.example/s#/$defs/i"}, "$defs": {"i": {}}}, [1, 2]),
        ({"$anchor": "top", "prefixItems": [{}, {"$ref": "#top"}], "items": {}}, [1, 2, 2]),
        ({"$defs": {"a~b": {"items": {}}}, "$ref": "#/$defs/a~0b"}, [2, 1]),
        ({"$ref": "#/nowhere"}, [1]),
        (doubled(3), [30]),
        ({"allOf": [{"$ref": "#"}]}, [MANY]),
        (True, [1]),
    ],
    ids=str,
)
def test_the_ways_to_look_at_a_value_are_counted(schema: Any, looks: list[int]) -> None:
    counted = Looks(schema)
    assert [counted.at(depth) for depth in range(len(looks))] == looks
    for depth in range(len(looks)):
        most = max(looks[: depth + 1])
        assert (counted.exceed(most, depth), counted.exceed(most - 1, depth)) == (False, True)


def test_no_schema_of_the_catalogue_is_entangled() -> None:
    assert [entry.name for entry in catalogue._entries() if Looks(entry.schema).exceed(20, 20)] == []
