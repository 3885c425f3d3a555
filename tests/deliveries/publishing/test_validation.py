"""What publishing refuses: each wrong field by its name, and nothing is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deliveries.models import Event
from deliveries.publishing import publish, publish_many
from deliveries.publishing.service import JsonText, NewEvent
from tests.support.engine import EVENT
from tests.support.factories import make_merchant

pytestmark = pytest.mark.django_db


def _errors(*words: Any, **named: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        publish(*words, **named)
    assert not Event.objects.exists()
    return caught.value.message_dict


def test_an_unknown_event_is_refused_with_the_nearest_name() -> None:
    [message] = _errors("order.creatd", {}, merchant=make_merchant())["event"]
    assert "'order.creatd'" in message
    assert "order.created" in message


def test_an_unknown_merchant_is_refused() -> None:
    [message] = _errors(EVENT, {}, merchant="mch_unknown")["merchant"]
    assert "mch_unknown" in message


def test_an_inactive_merchants_id_is_refused() -> None:
    assert set(_errors(EVENT, {}, merchant=make_merchant(is_active=False).public_id)) == {"merchant"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event", ["order.created"]),
        ("event", None),
        ("data", [1]),
        ("data", "text"),
        ("data", None),
        ("data", {"a": float("nan")}),
        ("data", {"a": 2**53 + 1}),
        ("data", {1: "a"}),
        ("data", JsonText('{"a":1,"a":2}')),
        ("data", JsonText('{"a":"\\u0000"}')),
        ("data", JsonText("[1]")),
        ("data", {"text": "x" * 1024**2}),
        ("id", ""),
        ("id", "with.dot"),
        ("id", "line\nbreak"),
        ("id", "a" * 65),
        ("id", 1045),
        ("occurred_at", datetime(2024, 1, 15)),
        ("occurred_at", "2024-01-15T15:30:00Z"),
        ("resource_id", 1045),
        ("resource_id", "x" * 201),
        ("resource_id", "a\0b"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_field(field: str, value: Any) -> None:
    words = {"event": EVENT, "data": {}, "merchant": make_merchant(), field: value}
    errors = _errors(words.pop("event"), words.pop("data"), **words)
    assert list(errors) == [field]
    assert errors[field][0]


def test_all_wrong_fields_of_a_batch_are_named_at_once_and_nothing_is_stored() -> None:
    items = [
        NewEvent(EVENT, {}),
        NewEvent("nothing.like_it", [], id="a b"),
        {"event": EVENT, "data": {"a": float("inf")}},
    ]
    with pytest.raises(ValidationError) as caught:
        publish_many(items, merchant=make_merchant())
    assert set(caught.value.message_dict) == {"events.1.event", "events.1.data", "events.1.id", "events.2.data"}
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"data": {}}, "events.0.event"),
        ({"event": EVENT}, "events.0.data"),
        ({"event": EVENT, "data": {}, "x": 1}, "events.0.x"),
    ],
)
def test_a_mapping_with_a_missing_or_unknown_field_is_refused(item: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        publish_many([item], merchant=make_merchant())
    assert list(caught.value.message_dict) == [field]


def test_a_batch_over_the_limit_is_refused_with_the_limit() -> None:
    with pytest.raises(ValidationError) as caught:
        publish_many([NewEvent(EVENT, {})] * 1001, merchant=make_merchant())
    assert "1001" in caught.value.message_dict["events"][0]
    assert "1000" in caught.value.message_dict["events"][0]


@pytest.mark.parametrize("name", ["order\0created", "order.\ud800", "\udfff"])
def test_an_event_name_the_database_would_choke_on_is_an_unknown_name(name: str) -> None:
    assert "No event is named" in _errors(name, {}, merchant=make_merchant())["event"][0]


@pytest.mark.parametrize("merchant", ["mch_\0", "mch_\ud800", ""])
def test_a_merchants_id_the_database_would_choke_on_is_an_unknown_merchant(merchant: str) -> None:
    assert "There is no merchant" in _errors(EVENT, {}, merchant=merchant)["merchant"][0]


@pytest.mark.parametrize("resource", ["\0", "order-\ud800"])
def test_a_resource_id_the_database_would_choke_on_is_refused(resource: str) -> None:
    assert "resource id" in _errors(EVENT, {}, merchant=make_merchant(), resource_id=resource)["resource_id"][0]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12))),
        datetime(24, 1, 15, tzinfo=UTC),
    ],
)
def test_a_time_outside_of_four_digit_years_is_refused(moment: datetime) -> None:
    assert "2024-01-15T15:30:00Z" in _errors(EVENT, {}, merchant=make_merchant(), occurred_at=moment)["occurred_at"][0]
