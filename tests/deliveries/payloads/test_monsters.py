"""What strangers write is bounded by what it costs: generated filters, transformations, fields and patterns.

Each of the kinds of expression once took minutes, or composes conditions so that a careless evaluation would.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
import tracemalloc
from collections.abc import Callable

import pytest

from deliveries.payloads import expressions, filters, transformations
from subscriptions import patterns

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


def composed(rng: random.Random) -> str:
    """Conditions whose sides have no answer, so that both are asked, at every level."""
    unanswered = [f"{ITEMS} > `1`", "length(data.none) > `1`", "data.order.note < data.order", f"sum({ITEMS})"]

    def side(depth: int) -> str:
        if depth == 0:
            return f"({rng.choice(unanswered)})"
        return f"({side(depth - 1)} {rng.choice(['&&', '||'])} {'!' * rng.randint(0, 2)}{side(depth - 1)})"

    return side(rng.randint(2, 7))


def negated(rng: random.Random) -> str:
    return "!" * rng.randint(10, 900) + rng.choice(["data", f"({ITEMS} > `1`)", "to_string(@)"])


def filtered(rng: random.Random) -> str:
    """Conditions inside conditions, each asked for every element of the list around it."""
    inner = rng.choice(["price", "@", f"tags[?@ == 'a'] || {ITEMS}"])
    for _ in range(rng.randint(2, 12)):
        of, word = rng.choice(["nested[]", "tags", "[@]", "[@,@][]", "@"]), rng.choice(["&&", "||"])
        inner = f"{of}[?{inner} {word} {inner[:40]}]"
    return f"{ITEMS}[?{inner}]"


def mapped(rng: random.Random) -> str:
    inner = rng.choice(["@", "to_string(@)", "[@,@]"])
    for _ in range(rng.randint(2, 9)):
        inner = f"map(&{inner}, {rng.choice(['[@,@]', ITEMS, '@'])})"
    return f"{rng.choice(['', 'not_null('])}{inner}"


def compared(rng: random.Random) -> str:
    both = rng.choice(["@", "data", f"[{ITEMS}, {ITEMS}]"])
    return " == ".join([both] * rng.randint(2, 30)) + f" {rng.choice(['&&', '||'])} {both} != {both}"


KINDS = (nested, doubled, wide, joined, ordered, wildcards, searches, merged)
COMPOSED = (composed, negated, filtered, mapped, compared)
MONSTERS = [(kind.__name__, number, kind(random.Random(number))) for number in range(14) for kind in KINDS + COMPOSED]


def _measured(work: Callable[[], object], *, times: int = 1) -> None:
    """Fail unless the work stays within `times` BYTES and, the machine's other work aside, `times` SECONDS."""
    took = []
    for _ in range(5):
        tracemalloc.start()
        try:
            work()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < times * BYTES, f"{peak:,} bytes"
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
        if took[-1] < times * SECONDS:
            return
    raise AssertionError(f"{min(took) * 1000:.1f} ms")


@pytest.mark.parametrize(("kind", "number", "expression"), MONSTERS, ids=[f"{k}-{n}" for k, n, _ in MONSTERS])
def test_a_monster_is_refused_or_stays_small(kind: str, number: int, expression: str) -> None:
    with contextlib.suppress(ValueError):  # refused when saved; one stored under other limits must stay small, too
        filters.check_expression(expression)
    filters.refusal("data.order.id", "order.created", TEXT)  # what a first use loads isn't counted

    def ask() -> None:
        reading = filters.Reading("order.created", TEXT)
        reading.refusal(expression)

    _measured(ask)


@pytest.mark.parametrize(("kind", "number", "expression"), MONSTERS, ids=[f"{k}-{n}" for k, n, _ in MONSTERS])
@pytest.mark.parametrize("form", ["{{a: {0}}}", "{{a: {0}, b: {0}, c: [{0}, {0}]}}"], ids=["once", "four times"])
def test_a_monster_of_a_transformation_is_refused_or_stays_small(
    kind: str, number: int, expression: str, form: str
) -> None:
    text, times = form.format(expression), 1
    try:
        transformations.check_expression(text)
    except ValueError:  # by its length, or once it is parsed
        times = 2

    def make() -> None:
        with contextlib.suppress(transformations.NotTransformed):
            transformations.body_of(text, event_id="evt_1", event="order.created", timestamp="2024", data=TEXT)

    make()
    _measured(make, times=times)


def paths(rng: random.Random) -> list[str]:
    steps = ["order", "items", "id", "note", "a", "0"]
    return [".".join(rng.choice(steps) for _ in range(rng.randint(1, 60))) for _ in range(rng.randint(20, 100))]


def prefixes(rng: random.Random) -> list[str]:
    whole = ["order", "items", *["a"] * rng.randint(1, 90)]
    return [".".join(whole[:length]) for length in range(1, len(whole) + 1)]


@pytest.mark.parametrize("number", range(25))
@pytest.mark.parametrize("kind", [paths, prefixes])
def test_a_monster_of_a_list_of_fields_stays_small(kind: Callable[[random.Random], list[str]], number: int) -> None:
    chosen = kind(random.Random(number))
    filters.check_field_paths(chosen)
    filters.project(TEXT, chosen)
    _measured(lambda: (filters.Reading("order.created", TEXT).digest(chosen), filters.project(TEXT, chosen)))


@pytest.mark.parametrize("number", range(50))
def test_a_monster_of_a_pattern_stays_small(number: int) -> None:
    draw = random.Random(number)
    text = "".join(draw.choice(["*", "a", ".", "a.*", ".*", "**", "_"]) for _ in range(draw.randint(1, 2000)))
    name = ".".join(draw.choice(["a", "aa", "a_a"]) for _ in range(draw.randint(1, 50)))

    def ask() -> None:
        with contextlib.suppress(ValueError):
            patterns.validate_pattern(text)
        patterns.matches(text, name, [name] * 10)
        patterns.candidates(name)

    _measured(ask)


def test_what_is_kept_parsed_is_bounded_by_its_size() -> None:
    """Hundreds of the largest transformations that may be saved take no more room than thousands of usual ones."""
    texts = [
        f"{{{','.join(f'k{number}: data.a{number}.b{round_number}' for number in range(100))}}}"
        for round_number in range(300)
    ]
    transformations.check_expression(texts[0])
    tracemalloc.start()
    try:
        for text in texts:
            transformations.check_expression(text)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 25_000_000, f"{kept:,} bytes"
    assert any(expressions.Parser._CACHE) is False, "the library keeps none beside"
