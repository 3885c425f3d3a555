"""What strangers write is bounded by what it costs: a hundred generated filters of the kinds that once took minutes."""

from __future__ import annotations

import contextlib
import json
import random
import tracemalloc

import pytest

from deliveries.payloads import filters

SECONDS, BYTES = 0.005, 1_000_000
DATA = {
    "order": {
        "id": "1045",
        "note": "a \\ \" b" * 8,
        "items": [{"sku": f"s{n}", "price": f"{n}.50", "tags": ["a", "b"], "nested": [[n, [n]]]} for n in range(8)],
    }
}  # fmt: skip
TEXT = json.dumps(DATA, separators=(",", ":"))
ITEMS = "data.order.items"


def nested(rng: random.Random) -> str:
    inner = rng.choice(["@", "data", ITEMS])
    for _ in range(rng.randint(3, 15)):
        inner = f"{rng.choice(['to_string', 'to_array'])}({inner})"
    return inner


def doubled(rng: random.Random) -> str:
    path = rng.choice(["@", "data", ITEMS])
    return " | ".join(
        [path, *[rng.choice(["[@,@]", "{a:@,b:@}", "[@,@,@,@]", "[@,@][]"]) for _ in range(rng.randint(2, 9))]]
    )


def wide(rng: random.Random) -> str:
    return f"[{','.join([rng.choice(['@', ITEMS, 'to_string(@)', 'data'])] * rng.randint(5, 60))}]"


def joined(rng: random.Random) -> str:
    many = f"[{','.join(['to_string(@)'] * rng.randint(3, 30))}]"
    return f"join(to_string(@), {many}) == 'x'"


def ordered(rng: random.Random) -> str:
    by = rng.choice(["to_string(@)", "price", "to_string(reverse(tags))"])
    return f"{rng.choice(['sort_by', 'max_by', 'min_by'])}({ITEMS}, &{by}) | [?{ITEMS} > `1`]"


def wildcards(rng: random.Random) -> str:
    return "data" + "".join(rng.choice([".*", "[*]", "[]", "[*][]"]) for _ in range(rng.randint(5, 30)))


def searches(rng: random.Random) -> str:
    inner = "contains(to_string(@), to_string(@))"
    for _ in range(rng.randint(1, 4)):
        inner = f"{ITEMS}[?{inner}]"
    return f"{inner} && contains({ITEMS}, {ITEMS}[0])"


def merged(rng: random.Random) -> str:
    return f"merge({', '.join(['data', 'data.order'] * rng.randint(2, 40))}).*.keys(@) | values({{a:@,b:@}})"


KINDS = (nested, doubled, wide, joined, ordered, wildcards, searches, merged)
MONSTERS = [(kind.__name__, number, kind(random.Random(number))) for number in range(14) for kind in KINDS]


@pytest.mark.parametrize(("kind", "number", "expression"), MONSTERS, ids=[f"{k}-{n}" for k, n, _ in MONSTERS])
def test_a_monster_is_refused_or_stays_small(kind: str, number: int, expression: str) -> None:
    with contextlib.suppress(ValueError):  # refused when saved; one stored under other limits must stay small, too
        filters.check_expression(expression)
    filters.refusal("data.order.id", "order.created", TEXT)  # what a first use loads isn't counted
    reading = filters.Reading("order.created", TEXT)
    reading.refusal("event")
    tracemalloc.start()
    try:
        reading.refusal(expression)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BYTES, f"{peak:,} bytes"
