"""What a transformation makes of an event, what it may take, and that it never ends in anything but words."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.payloads import canonical_json, transformations
from deliveries.payloads.transformations import NotTransformed, body_of, check_expression
from tests.support.json_strategies import documents, lively

DATA = {"order": {"id": 7, "name": "#1001", "total": "49.90", "tags": ["a", "b"], "note": None}}


def made(expression: str, data: Any = DATA) -> Any:
    text = body_of(
        expression, event_id="evt_1", event="order.created", timestamp="2024-01-15T15:30:00.000000Z",
        data=canonical_json.canonical(json.dumps(data)),
    )  # fmt: skip
    return json.loads(text)


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("{text: event}", {"text": "order.created"}),
        ("{id: id, at: timestamp}", {"id": "evt_1", "at": "2024-01-15T15:30:00.000000Z"}),
        ("data", DATA),
        ("@", {"id": "evt_1", "event": "order.created", "timestamp": "2024-01-15T15:30:00.000000Z", "data": DATA}),
        ("data.order", DATA["order"]),
        ("{n: data.order.nothing, t: data.order.note}", {"n": None, "t": None}),
        ("{text: join(' ', ['Order', data.order.name])}", {"text": "Order #1001"}),
        ("{text: not_null(data.order.note, '-')}", {"text": "-"}),
        ("{id: to_string(data.order.id), t: to_number(data.order.total)}", {"id": "7", "t": 49.9}),
        ("{list: data.order.tags[*].{tag: @}}", {"list": [{"tag": "a"}, {"tag": "b"}]}),
        ("{flag: `true`, n: `5`, o: `{\"a\": [1]}`}", {"flag": True, "n": 5, "o": {"a": [1]}}),
        ("{text: '\"quoted\" \\ ü\n'}", {"text": '"quoted" \\ ü\n'}),
        ("merge(data.order, {source: 'shop'})", {**DATA["order"], "source": "shop"}),
    ],
)  # fmt: skip
def test_the_result_is_the_message(expression: str, body: Any) -> None:
    check_expression(expression)
    assert made(expression) == body


def test_the_message_is_canonical_json_whatever_the_order_of_the_expression() -> None:
    text = body_of("{b: `1.0`, a: event}", event_id="e", event="x", timestamp="t", data="{}")
    assert text == canonical_json.canonical(text)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("data.nothing", "gives nothing (null)"),
        ("event", "gives a text"),
        ("data.order.tags", "gives a list"),
        ("data.order.id", "gives a number"),
        ("data.order.id == `7`", "gives true or false"),
        ("&event", "gives an expression"),
        ("{e: &event}", "can't be evaluated for this event"),
        ("{n: length(data.nothing)}", "length() takes string or array or object, not missing"),
        ("{n: join(' ', [data.order.id])}", "join() takes"),
        ("{n: data.order.id > data.order.tags}", "can't be compared"),
        ("{n: sum(data.order.tags)}", "sum() takes"),
    ],
)
def test_what_gives_no_message_is_said_in_a_sentence(expression: str, said: str) -> None:
    with pytest.raises(NotTransformed) as caught:
        made(expression)
    assert said in str(caught.value)
    assert str(caught.value).startswith("The transformation ")
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{", "doesn't parse"),
        ("{text: }", "A transformation reads like {text: data.order.name}."),
        ("{t: nothing(event)}", "calls nothing(), which there is not"),
        ("{t: length()}", "takes 1 arguments"),
        ("[" * 200 + "event" + "]" * 200, "too many steps"),
        ("{a: [" + ",".join(["[`1`]"] * 150) + "]}", "more than 100 lists or objects"),
        ("{a: " + "x" * 5000 + "}", "at most 4000"),
        ("d" + "|d" * 1500, "too many steps"),
    ],
    ids=range(8),
)
def test_what_can_t_be_one_is_refused_at_save(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_expression(expression)


def outcome(expression: str, data: Any) -> Any:
    """Return the message, or the sentence why there is none."""
    try:
        check_expression(expression)
        return made(expression, data)
    except ValueError as error:
        return str(error)


LARGE = {"rows": [{"n": n, "text": "x" * 100} for n in range(3000)]}
MONSTERS = {
    "doubles its own result": "{a: @" + " | [@, @]" * 60 + "}",
    "doubles objects": "@" + " | {a: @, b: @}" * 40,
    "joins what it joined": "{a: data.rows[*].text | join('', @)" + " | join(@, [@, @, @])" * 20 + "}",
    "each with each": "{a: data.rows[*].data.rows[*].n, b: data.rows[?contains(to_string($), 'q')]}".replace("$", "@"),
    "filters of filters": "{a: data.rows[?data.rows[?n > `5`]], b: data.rows[?length(to_string(@)) > `5`]}",
    "sorts again and again": "{a: data.rows" + " | sort_by(@, &text)" * 60 + "}",
    "writes again and again": "{a: @" + " | to_string(@)" * 60 + "}",
    "maps over all": "{a: map(&to_string(@), data.rows), b: map(&values(@), data.rows), c: map(&keys(@), data.rows)}",
}


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_takes_little_and_ends_in_a_message_or_a_sentence(name: str) -> None:
    began = time.thread_time()
    said = outcome(MONSTERS[name], LARGE)
    assert isinstance(said, dict) or said.endswith(".")
    assert time.thread_time() - began < 1.0


@lively
@given(documents, st.text(max_size=80))
def test_no_text_and_no_event_ends_in_anything_but_a_message_or_a_sentence(data: str, expression: str) -> None:
    said = outcome(expression, json.loads(data))
    assert isinstance(said, dict) or said


def test_a_stored_expression_of_other_limits_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotTransformed, match="doesn't parse"):
        made("{{{")
    assert transformations.TRANSFORM_NODES_MAX == 1000
