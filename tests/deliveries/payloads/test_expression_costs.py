"""What tenants write beside filters (chosen fields, patterns) and what they publish against a schema costs little."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from deliveries.payloads import filters
from deliveries.publishing.schemas import Schema
from subscriptions import patterns

DEPTH = 58


def nested(value: Any) -> Any:
    for _ in range(DEPTH):
        value = {"a": value}
    return value


LARGE = json.dumps({"a": nested("x" * 900_000), "b": {f"k{number}": number for number in range(8000)}})
STEMS = ".".join(["a"] * 49)


def chosen(*lists: list[str]) -> Callable[[], object]:
    def read() -> None:
        reading = filters.Reading("order.created", LARGE)
        for fields in lists:
            reading.digest(tuple(fields))

    return read


def against(schema: dict[str, Any], data: Any) -> Callable[[], object]:
    compiled, text = Schema("order.created", json.dumps(schema)), json.dumps(data)
    return lambda: compiled.errors(text)


def pattern(text: str) -> Callable[[], object]:
    return lambda: patterns.validate_pattern(text)


CASES: dict[str, tuple[float, Callable[[], object]]] = {
    "each prefix of a path": (0.15, chosen([".".join(["a"] * steps) for steps in range(1, DEPTH + 1)])),
    "a hundred fields": (0.15, chosen([f"b.k{number}" for number in range(100)])),
    "fields that lead nowhere": (0.15, chosen([".".join(["a"] * 99 + [str(number)]) for number in range(100)])),
    "a thousand webhooks, each with other fields": (0.3, chosen(*([f"b.k{number}"] for number in range(1000)))),
    "a pattern of stars": (0.01, pattern("*" * 100)),
    "a pattern of stems and stars": (0.01, pattern("a.*" * 33)),
    "a pattern of megabytes": (0.05, pattern("*a" * 500_000)),
    "a long prefix, many times": (
        0.1,
        lambda: [patterns.matches(f"{STEMS}.*", f"{STEMS}.b", [f"{STEMS}.c"] * 10) for _ in range(1000)],
    ),
    "all patterns of a long name": (0.05, lambda: [patterns.candidates(f"{STEMS}.b") for _ in range(100)]),
    "text against a catastrophic regex": (
        0.05,
        against({"properties": {"s": {"pattern": "^(a+)+$"}}}, {"s": "a" * 5000 + "!"}),
    ),
    "text against one that looks back": (
        0.05,
        against({"properties": {"s": {"pattern": "^(?=(a+)+b)(a+)+\\1$"}}}, {"s": "a" * 60 + "!"}),
    ),
    "deep data against a schema of itself": (
        0.05,
        against({"$defs": {"a": {"additionalProperties": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, nested(1)),
    ),
    "references in a ring": (
        0.05,
        against({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, nested(1)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_takes_little_time_whatever_it_is(case: str) -> None:
    seconds, work = CASES[case]
    began = time.thread_time()
    with contextlib.suppress(ValueError):  # refused is well, too
        work()
    assert time.thread_time() - began < seconds
