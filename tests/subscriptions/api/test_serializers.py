"""The serializers' base: strict towards requests, and the only statement of an example."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from subscriptions.api.serializers import (
    EXAMPLE_MOMENT,
    ApiSerializer,
    Flag,
    JsonObject,
    Moment,
    NoBody,
    Number,
    Text,
    Whole,
    eg,
    example_of,
)


class PartSerializer(ApiSerializer):
    size = eg(serializers.IntegerField(), 3)


class ThingSerializer(ApiSerializer):
    id = eg(serializers.CharField(source="public_id", read_only=True), "thing_1")
    title = eg(Text(max_length=5), "a")
    days = Whole(min_value=1, max_value=7, default=2)
    share = Number(min_value=0, max_value=1, required=False, allow_null=True)
    live = Flag(default=True)
    until = Moment(required=False, allow_null=True)
    theirs = eg(serializers.ListField(child=serializers.CharField(), required=False, source="ours"), ["x"])
    secret = serializers.CharField(write_only=True, required=False)


class ShownSerializer(ApiSerializer):
    id = eg(serializers.CharField(source="public_id"), "thing_1")
    made_at = serializers.DateTimeField()
    data = JsonObject(allow_null=True)  # type: ignore[assignment]
    parts = PartSerializer(many=True)
    double = eg(serializers.IntegerField(), 4)

    def show_double(self, row: Any) -> int:
        return row.number * 2


def checked(body: Any, **options: Any) -> dict[str, Any]:
    return ThingSerializer(**options).run_validation(body)


def problems(body: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        checked(body)
    return dict(caught.value.detail)  # type: ignore[arg-type]


def test_members_come_under_their_source_and_those_left_out_have_their_default() -> None:
    assert checked({"title": "a", "theirs": 5}) == {"title": "a", "days": 2, "live": True, "ours": 5}


def test_all_that_is_wrong_unknown_or_missing_is_named_at_once() -> None:
    found = problems({"days": 8, "live": "yes", "id": "thing_2", "other": 1})

    assert list(found) == ["id", "other", "title", "days", "live"]
    assert found["title"] == ["This field is required."]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", 5),
        ("title", None),
        ("title", "longer"),
        ("days", "2"),
        ("days", True),
        ("days", 2.0),
        ("days", 0),
        ("days", None),
        ("share", "0.5"),
        ("share", True),
        ("share", 1.01),
        ("live", 1),
        ("live", "true"),
        ("live", None),
        ("until", 1700000000),
        ("until", "tomorrow"),
    ],
)
def test_a_value_of_another_type_or_out_of_bounds_is_refused(member: str, value: Any) -> None:
    assert list(problems({"title": "a", member: value})) == [member]


def test_null_is_taken_where_a_field_says_so() -> None:
    assert checked({"title": "a", "share": None, "until": None}) | {"days": 0} == {
        "title": "a",
        "days": 0,
        "share": None,
        "live": True,
        "until": None,
    }


def test_a_partial_body_needs_no_member_and_gets_no_default() -> None:
    assert checked({"theirs": []}, partial=True) == {"ours": []}


@pytest.mark.parametrize("body", [[], None, "text", 5])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        NoBody().run_validation(body)
    assert caught.value.get_codes() == ["not_an_object"]


def test_a_row_is_rendered_in_the_order_of_the_fields() -> None:
    row = SimpleNamespace(public_id="t", made_at=None, data='{"n":1}', parts=[SimpleNamespace(size=1)], number=2)

    shown = ShownSerializer(row).data

    assert list(shown.items()) == [
        ("id", "t"),
        ("made_at", None),
        ("data", {"n": 1}),
        ("parts", [{"size": 1}]),
        ("double", 4),
    ]


def test_an_answers_example_holds_all_members_a_requests_those_that_were_given_one() -> None:
    assert example_of(ShownSerializer) == {
        "id": "thing_1",
        "made_at": EXAMPLE_MOMENT,
        "data": None,
        "parts": [{"size": 3}],
        "double": 4,
    }
    assert example_of(ThingSerializer, request=True) == {"title": "a", "theirs": ["x"]}


def test_a_member_without_an_example_is_found_when_the_module_is_imported() -> None:
    class Bare(ApiSerializer):
        size = serializers.IntegerField()

    with pytest.raises(TypeError, match=r"Bare\.size needs an example"):
        example_of(Bare)
