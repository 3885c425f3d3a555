"""A merchant that checks its events takes only data that fits the catalogue's schemas."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deliveries.models import Event
from deliveries.publishing import publish, publish_many, schemas
from deliveries.publishing.service import JsonText
from subscriptions import event_types
from subscriptions.matching import known_events
from subscriptions.models import EventType, Merchant
from tests.support.api import Client
from tests.support.desk import make_shop, sign_in
from tests.support.engine import EVENT, statements
from tests.support.factories import make_api_key, make_event_type, make_merchant
from tests.support.hostile import HostileServer, answers

pytestmark = pytest.mark.django_db

PURCHASE = {
    "orderId": "order-555",
    "productId": "prod-123",
    "quantity": 1,
    "price": {"amount": 24.99, "currency": "USD"},
    "customer": {"email": "customer@example.com"},
    "purchasedAt": "2024-01-15T12:00:00Z",
}


@pytest.fixture
def merchant() -> Merchant:
    return make_merchant(validate_events=True)


def refused(merchant: Merchant, event: str, data: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        publish(event, data, merchant=merchant)
    assert not Event.objects.exists()
    assert list(caught.value.message_dict) == ["data"]
    return caught.value.message_dict["data"]


def thing(merchant: Merchant, schema: Any, data: dict[str, Any]) -> list[str]:
    """What is said of data under a schema of a test."""
    return refused(merchant, make_event_type(schema=schema).name, data)


def test_a_merchant_that_does_not_check_may_send_anything() -> None:
    publish("product.purchased", {"anything": True}, merchant=make_merchant())


@pytest.mark.parametrize("entry", event_types.load(), ids=lambda entry: entry.name)
def test_every_documents_example_passes(entry: Any, merchant: Merchant) -> None:
    publish(entry.name, JsonText(entry.example), merchant=merchant)


def test_every_error_is_listed_with_its_place_and_mend(merchant: Merchant) -> None:
    data = PURCHASE | {"quantity": 0, "purchasedAt": "yesterday", "customer": {}, "variantId": 7}
    del data["orderId"]
    errors = {text.partition(":")[0]: text for text in refused(merchant, "product.purchased", data)}
    assert set(errors) == {
        "data.orderId",
        "data.quantity",
        "data.purchasedAt",
        "data.customer.email",
        "data.variantId",
    }
    assert "Add it" in errors["data.orderId"]
    assert "minimum of 1" in errors["data.quantity"]
    assert "2024-01-15T15:30:00Z" in errors["data.purchasedAt"]
    assert "quotes" in errors["data.variantId"]


def test_money_given_as_a_decimal_is_refused_saying_how_to_send_it(merchant: Merchant) -> None:
    data = PURCHASE | {"price": {"amount": Decimal("24.99"), "currency": "USD"}}
    [error] = refused(merchant, "product.purchased", data)
    assert error.startswith('data.price.amount: is "24.99", but must be of type number.')
    assert "Decimal" in error
    assert "float" in error
    publish("product.purchased", PURCHASE, merchant=merchant)


def test_a_place_in_a_list_is_named_by_its_number(merchant: Merchant) -> None:
    schema = {"properties": {"odd key": {"items": {"properties": {"price": {"type": "number"}}}}}}
    [error] = thing(merchant, schema, {"odd key": [{"price": 1}, {"price": None}]})
    assert error.startswith('data["odd key"][1].price: is null')


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": ["string", "null"]}, {}, "must be of type null or string. Send"),
        ({"enum": ["a", "b"]}, "c", 'is "c"; it is not one of "a" or "b"'),
        ({"properties": {"y": {}}, "additionalProperties": False}, {"x": 1}, 'doesn\'t know: "x". Leave them out'),
        ({"format": "email"}, "nobody", "customer@example.com"),
        ({"maxItems": 1}, [1, 2], "is an array; it has more than 1 item"),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, 5, "is 5; it is not valid under any"),
        (False, 5, "is 5; false schema does not allow"),
    ],
)
def test_each_kind_of_error_says_what_is_there_and_what_is_wanted(
    merchant: Merchant, schema: Any, value: Any, said: str
) -> None:
    [error] = thing(merchant, {"properties": {"it": schema}}, {"it": value})
    assert error.startswith("data.it: ")
    assert said in error


def test_a_long_value_is_not_repeated_whole(merchant: Merchant) -> None:
    [error] = thing(merchant, {"properties": {"it": {"type": "number"}}}, {"it": "x" * 100_000})
    assert len(error) < 300


def test_a_flood_of_errors_is_cut_and_says_so(merchant: Merchant) -> None:
    errors = thing(merchant, {"properties": {"all": {"items": {"type": "number"}}}}, {"all": [None] * 5000})
    assert len(errors) == schemas.ERRORS_MAX + 1
    assert "more errors" in errors[-1]


def test_errors_of_a_batch_stand_at_their_events_beside_the_other_fields(merchant: Merchant) -> None:
    items = [
        {"event": "product.purchased", "data": PURCHASE},
        {"event": "product.purchased", "data": {}, "id": "a b"},
        {"event": "nothing.like_it", "data": {}},
        {"event": "product.purchased", "data": PURCHASE | {"price": 5}},
        {"event": "product.purchased", "data": [1]},
    ]
    with pytest.raises(ValidationError) as caught:
        publish_many(items, merchant=merchant)
    errors = caught.value.message_dict
    assert set(errors) == {"events.1.data", "events.1.id", "events.2.event", "events.3.data", "events.4.data"}
    assert len(errors["events.1.data"]) == 6
    assert errors["events.3.data"] == ["data.price: is 5, but must be of type object. Send object."]
    assert not Event.objects.exists()


def test_the_api_lists_every_error_under_data(merchant: Merchant) -> None:
    client = Client(make_api_key(merchant).text)
    answer = client.post("/api/v1/events", {"event": "product.purchased", "data": PURCHASE | {"quantity": "1"}})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["attr"] == "data"
    assert error["detail"].startswith("data.quantity: is")
    batch = {"events": [{"event": "product.purchased", "data": {}}]}
    errors = client.post("/api/v1/events/batch", batch).json()["errors"]
    assert [error["attr"] for error in errors] == ["events.0.data"] * 6


def test_an_alias_is_checked_by_its_entrys_schema(merchant: Merchant) -> None:
    make_event_type("thing.made", aliases=["thing-made"], schema={"required": ["id"]})
    [error] = refused(merchant, "thing-made", {})
    assert error.startswith("data.id: is missing")


def test_an_event_type_without_a_schema_takes_any_data(merchant: Merchant) -> None:
    publish(make_event_type().name, {"a": [None]}, merchant=merchant)


def test_a_changed_schema_counts_for_the_very_next_event(merchant: Merchant) -> None:
    entry = make_event_type(schema={"required": ["id"]})
    refused(merchant, entry.name, {})
    EventType.objects.filter(pk=entry.pk).update(schema={})
    publish(entry.name, {}, merchant=merchant)


def test_a_schema_is_compiled_once(merchant: Merchant) -> None:
    entry = make_event_type(schema={"required": ["id"]})
    [first] = schemas.schemas([entry.name]).values()
    assert schemas.schemas([entry.name]) == {entry.name: first}


def test_news_about_webhooks_are_never_refused(merchant: Merchant) -> None:
    EventType.objects.filter(name="webhook.paused").update(schema=False)
    publish("webhook.paused", {}, merchant=merchant)


def test_a_schema_fetches_nothing(merchant: Merchant) -> None:
    with HostileServer(answers(200, body=b"{}")) as elsewhere:
        [error] = thing(merchant, {"$ref": elsewhere.url}, {})
        assert not elsewhere.requests
    assert "$defs" in error
    assert "Event types" in error


@pytest.mark.parametrize("schema", [{"type": "nope"}, {"pattern": "("}, {"$ref": "#/$defs/gone"}])
def test_a_broken_schema_is_named_with_its_mend(merchant: Merchant, schema: Any) -> None:
    entry = make_event_type(schema=schema)
    [error] = refused(merchant, entry.name, {})
    assert entry.name in error
    assert "Fix it under Event types" in error


def test_the_check_costs_one_statement_and_none_where_it_is_off(merchant: Merchant) -> None:
    events = [{"event": name, "data": json.loads(EventType.objects.get(name=name).example)} for name in (EVENT,) * 9]
    known_events([EVENT])  # asked for once in a while, so not in either list
    with statements() as with_check:
        publish_many(events, merchant=merchant)
    with statements() as without:
        publish_many(events, merchant=make_merchant())
    # The second list holds the statement that makes the merchant.
    assert len(with_check) == len(without)
    assert not [sql for sql in without if "schema" in sql]


def test_an_owner_turns_the_check_on_at_the_merchants_page() -> None:
    shop = make_shop("Aster")
    owner = sign_in(shop.people["owner"])
    path = f"/admin/webhooks_subscriptions/merchant/{shop.merchant.pk}/change/"
    assert b"validate_events" in owner.get(path).content
    values = {"name": "Aster", "email": "ops@aster.example", "domain": "aster.example.com", "validate_events": "on"}
    owner.post(path, values)
    shop.merchant.refresh_from_db()
    assert shop.merchant.validate_events
    del values["validate_events"]
    owner.post(path, values)
    shop.merchant.refresh_from_db()
    assert not shop.merchant.validate_events
