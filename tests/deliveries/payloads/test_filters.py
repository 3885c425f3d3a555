from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deliveries.payloads import canonical_json, filters
from deliveries.reasons import Reason, ReasonCode
from subscriptions.validators import clean_webhook
from subscriptions.validators.settings import FILTER_MAX

DATA = canonical_json.dump({"order": {"id": "1045", "total": 25.5, "items": [{"sku": "a"}], "note": None}, "2": "two"})


@pytest.mark.parametrize(
    "expression",
    [
        "data.order.id == '1045'",
        "data.order.total > `20`",
        "event == 'order.created' && data.order.items[?sku == 'a']",
        "data.order.items[0].sku",
        "`0`",  # a number is an answer; JMESPath calls only false, null and empty false
        'data."2"',
    ],
)
def test_what_the_filter_finds_true_goes_through(expression: str) -> None:
    filters.check_expression(expression)
    assert filters.refusal(expression, "order.created", DATA) is None


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("data.order.id == '9'", "false"),
        ("data.order.nothing", "null"),
        ("data.order.note", "null"),
        ("data.order.items[?sku == 'b']", "[]"),
        ("''", '""'),
        ("data.order.total < `20`", "false"),
        ("event == 'order.paid'", "false"),
    ],
)
def test_what_the_filter_finds_false_is_kept_back_with_the_reason(expression: str, shown: str) -> None:
    """Promise 9: nothing vanishes."""
    reason = filters.refusal(expression, "order.created", DATA)
    assert reason == Reason(ReasonCode.FILTERED, {"filter": expression, "result": shown})


@pytest.mark.parametrize("expression", ["data.", "data..x", "a ==", "foo(", "[", "x" * 1001])
def test_a_filter_that_does_not_parse_is_refused_with_an_example_or_the_limit(expression: str) -> None:
    with pytest.raises(ValueError, match=r"data\.order\.currency|at most 1000"):
        filters.check_expression(expression)


def test_the_longest_filter_has_one_truth_whoever_is_asked() -> None:
    fits = "data.a" + "a" * (FILTER_MAX - 6)
    filters.check_expression(fits)
    assert clean_webhook({"filter": fits}, dialect="standard")["filter"] == fits
    with pytest.raises(ValueError, match=f"at most {FILTER_MAX}"):
        filters.check_expression(fits + "a")
    with pytest.raises(ValidationError, match=f"{FILTER_MAX}"):
        clean_webhook({"filter": fits + "a"}, dialect="standard")


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("nothing_like_it(data)", "calls nothing_like_it"),
        ("!(data.a && lenght(data.b))", "calls lenght"),
        ("length()", "takes 1 arguments; this filter gives 0"),
        ("contains(data.a)", "takes 2"),
        ("data.l[?starts_with(@)]", "takes 2"),
        ("merge()", "at least 1"),
    ],
)
def test_a_call_that_could_never_work_is_refused_when_it_is_saved(expression: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        filters.check_expression(expression)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["order.id"], '{"order":{"id":"1045"}}'),
        (["order.total", "order.id"], '{"order":{"total":25.5,"id":"1045"}}'),
        (["order"], '{"order":{"id":"1045","total":25.5,"items":[{"sku":"a"}],"note":null}}'),
        (["order", "order.id"], '{"order":{"id":"1045","total":25.5,"items":[{"sku":"a"}],"note":null}}'),
        (["order.id", "order"], '{"order":{"id":"1045","total":25.5,"items":[{"sku":"a"}],"note":null}}'),
        (["order.note"], '{"order":{"note":null}}'),
        (["order.nothing", "nothing.at.all", "order.id.deeper"], "{}"),
        (["order.items.0"], "{}"),
        (["order.id", "2"], '{"2":"two","order":{"id":"1045"}}'),
    ],
)
def test_only_the_chosen_fields_are_sent_in_canonical_form(fields: list[str], expected: str) -> None:
    filters.check_field_paths(fields)
    assert filters.project(DATA, fields) == expected
    assert canonical_json.canonical(filters.project(DATA, fields)) == expected


def test_a_path_that_leads_nowhere_leaves_no_empty_object_behind() -> None:
    assert filters.project('{"order":{"id":1}}', ["order.customer.email"]) == "{}"


@pytest.mark.parametrize("fields", ["order.id", [""], ["order..id"], [".id"], [1], ["a"] * 101, None])
def test_fields_that_are_no_paths_are_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"order\.(id|customer)"):
        filters.check_field_paths(fields)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("!" * 900 + "a", "nested too deeply"),
        ("[" * 490, "nested too deeply"),
        ("|".join(["[@,@][]"] * 20), "more than 3 lists"),
        ("a" + ".a" * 300, "too many steps"),
    ],
)
def test_a_filter_that_could_take_too_much_is_refused(expression: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        filters.check_expression(expression)
