"""What a filter answers where data is not what it expects: false or not evaluated, never yes by accident."""

from __future__ import annotations

import json
import time
import tracemalloc
from contextlib import suppress
from typing import Any

import jmespath
import pytest

from deliveries.payloads import canonical_json, filter_evaluation, filters
from deliveries.payloads.filter_budget import NotEvaluated
from deliveries.reasons import ReasonCode

DATA = canonical_json.dump(
    {
        "order": {
            "total": "49.99", "paid": 149.99, "currency": "EUR", "number": "007", "note": None, "gift": True,
            "items": [{"sku": "a", "price": "9.50", "tags": ["new"]}, {"sku": "b", "price": "10.00"}],
        }
    }
)  # fmt: skip


def asked(expression: str, data: str = DATA) -> Any:
    filters.check_expression(expression)
    return filters.refusal(expression, "order.created", data)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("data.order.total > `100`", False),
        ("data.order.total > `49`", True),
        ("data.order.total >= `49.99`", True),
        ("data.order.total < `100`", True),
        ("data.order.total <= `49.98`", False),
        ("`100` > data.order.total", True),
        ("data.order.total > '100'", False),  # as text, '4' comes after '1'
        ("data.order.total < '100'", True),
        ("data.order.total == `49.99`", True),
        ("data.order.total != `49.99`", False),
        ("data.order.total == '49.99'", True),
        ("data.order.total == '49.990'", False),  # two texts are compared as texts
        ("data.order.number == '7'", False),
        ("data.order.number == `7`", True),
        ("data.order.paid > '100'", True),
        ("data.order.paid == '149.99'", True),
        ("max_by(data.order.items, &price).sku == 'b'", True),
        ("min(data.order.items[].price) == '9.50'", True),
        ("sort_by(data.order.items, &price)[0].sku == 'a'", True),
        ("data.order.items[?price > `9.75`].sku | [0] == 'b'", True),
        ("contains(data.order.items[].price, `10`)", True),
        ("to_number(data.order.total) > `49`", True),
        ("data.order.currency > 'AAA'", True),
        ("data.order.gift == `true`", True),
        ("data.order.gift == `1`", False),
        ("data.order.note == `null`", True),
        ("contains(to_string(data), '49.99')", True),
        ("data.order.currency != 'USD'", True),
        ("data.order.nothing != 'USD'", True),  # what is missing is not USD
    ],
)  # fmt: skip
def test_amounts_in_text_compare_as_numbers_where_both_sides_look_like_numbers(expression: str, holds: bool) -> None:
    assert (asked(expression) is None) is holds


@pytest.mark.parametrize(
    "expression",
    [
        "data.order.nothing > `1`",
        "data.order.currency > `1`",
        "data.order.note <= `1`",
        "data.order.items > `1`",
        "data.order.gift >= `1`",
        "data.order.nothing < data.order.nowhere",
        "[data.order.nothing > `1`]",
        "{a: data.order.nothing > `1`}",
        "(data.order.nothing > `1`) == `false`",
        "(data.order.nothing > `1`) != `true`",
        "data.order.gift && data.order.nothing > `1`",
        "data.order.nothing > `1` || data.order.currency == 'USD'",
        "not_null(data.order.nothing > `1`, `true`)",
        "data.order.items[?weight > `1`]",
    ],
)
def test_a_comparison_without_an_answer_is_false(expression: str) -> None:
    reason = asked(expression)
    assert reason is not None
    assert reason.code == ReasonCode.FILTERED


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("length(data.order.nothing) > `1`", "length() takes string or array or object, not missing"),
        ("length(data.order.paid) > `1`", "length() takes"),
        ("contains(data.order.nothing, 'a')", "contains() takes array or string, not missing"),
        ("contains(data.order.currency, `1`)", "contains() looks for 1 in a text"),
        ("sum(data.order.items[].price) > `1`", 'sum() takes list of number, not "9.50"'),
        ("max_by(data.order.items, &tags) != 'x'", "can't be put in order"),
        ("sort(data.order.items)", "an object can't be put in order"),
        ("!length(data.order.nothing)", "length() takes"),
        ("!(data.order.nothing > `1`)", "missing and 1 can't be compared"),
        ("!(data.order.gift && data.order.nothing > `1`)", "can't be compared"),
        ("!contains(data.order.nothing, 'a')", "contains() takes"),
        ("data.order.gift && !contains(data.order.nothing, 'a')", "contains() takes"),
        ("length(data.order.nothing) > `1` || data.order.currency == 'USD'", "length() takes"),
        ("to_string(length(data.order.nothing))", "length() takes"),
        ("not_null(sum(data.order.nothing), `1`)", "sum() takes"),
        ("data.order.items[?contains(tags, 'new')]", "contains() takes"),
        ("[length(data.order.nothing)]", "length() takes"),
        ("join(',', data.order.items)", "join() takes"),
        ("floor(data.order.total)", 'floor() takes number, not "49.99"'),
        ("data.order.items[::0]", "a value has a kind"),
        ("merge(data, data.order.items)", "a value has a kind"),
        ("map(&length(@), data.order.items[].weight) | [0] || floor(data.order.note)", "floor() takes"),
        ("starts_with(data.order.note, 'a') != `true`", "starts_with() takes"),
    ],
)
def test_what_cannot_be_evaluated_is_skipped_with_its_reason(expression: str, why: str) -> None:
    reason = asked(expression)
    assert reason is not None
    assert reason.code == ReasonCode.FILTER_NOT_EVALUATED
    assert why in reason.values["why"]


@pytest.mark.parametrize(
    "expression",
    [
        "contains(data.order.nothing, 'a') || data.order.currency == 'EUR'",
        "data.order.currency == 'EUR' || contains(data.order.nothing, 'a')",
        "data.order.nothing > `1` || data.order.gift",
        "!(data.order.currency == 'USD' && contains(data.order.nothing, 'a'))",
        "!(contains(data.order.nothing, 'a') && data.order.currency == 'USD')",
    ],
)
def test_a_side_without_an_answer_does_not_matter_where_the_other_one_settles_it(expression: str) -> None:
    assert asked(expression) is None


@pytest.mark.parametrize(
    "text", ["abc", "", " 49.99", "49.99 ", "1_000", "1,000.00", "nan", "inf", "0x10", "٤٩", "1e9999"]
)
def test_text_that_is_no_number_is_not_compared_with_one(text: str) -> None:
    data = json.dumps({"total": text})
    assert asked("data.total > `1`", data).code == ReasonCode.FILTERED
    assert asked("data.total < `1`", data).code == ReasonCode.FILTERED
    assert asked("data.total == `1`", data).code == ReasonCode.FILTERED


def _monsters() -> list[str]:
    growing = [
        f"{'to_string(to_array(' * depth}{seed}{'))' * depth}" for depth in range(5, 30) for seed in ("@", "data")
    ]
    wide = [f"to_string({' | '.join(['[' + ','.join(['@'] * width) + ']'] * levels)})"
            for width in (5, 10, 20, 40) for levels in (3, 5, 8)]  # fmt: skip
    flat = [
        f"{' | '.join(['[' + ','.join(['@'] * width) + '][]'] * levels)}" for width in (9, 25) for levels in (3, 6, 9)
    ]
    equal = [f"{one} == {one}" for one in (growing[6], wide[4][10:-1], wide[7][10:-1])]
    nested = [f"data.l[{'?length(to_string(' * 1}map(&{call}(@), @)))]" for call in ("to_array", "to_string", "type")]
    each = ["data.l[].[$, @]".replace("$", "to_string(@)"), "map(&map(&map(&@, @), @), [data.l, data.l])",
            "data.l[?contains(map(&to_string(@), [@,@]), 'x')]",
            "sort_by(data.l, &to_string([@,@,@]))", "join('xxxxxxxxx', map(&to_string(@), data.l))"]  # fmt: skip
    merged = [f"merge({', '.join(['{a: to_string(data)}'] * count)})" for count in range(1, 25)]
    return growing + wide + flat + equal + nested + each + merged


@pytest.mark.parametrize("expression", _monsters())
def test_a_monster_takes_less_than_5_ms_and_a_megabyte(expression: str) -> None:
    """Evaluated past the check at saving, which refuses many: the budget alone must hold."""
    data = json.dumps({"text": 'a"b\\' * 100, "l": [[n, str(n), {"n": n}] for n in range(12)]})
    document = {"event": "order.created", "data": json.loads(data)}
    tree = jmespath.compile(expression).parsed

    def run() -> None:
        with suppress(NotEvaluated):
            filter_evaluation.evaluate(tree, document, len(data))

    taken = []
    for _ in range(3):
        started = time.thread_time()
        run()
        taken.append(time.thread_time() - started)
    assert min(taken) < 0.005
    tracemalloc.start()
    try:
        run()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_long_event_gets_the_steps_it_needs() -> None:
    items = [{"sku": str(number), "price": "9.50", "title": "A thing with a name"} for number in range(5000)]
    assert asked("data.items[?price > `9` && sku == '4999']", json.dumps({"items": items})) is None
