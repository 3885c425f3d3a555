"""Publishing over the API."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import Delivery, Event
from tests.support.api import Client, attrs

PATH = "/api/v1/events"
ORDER = {"event": "order.created", "data": {"order": {"id": "1045"}}}


def test_an_event_is_stored_and_its_deliveries_are_counted(api: Client, webhook: dict[str, Any]) -> None:
    answer = api.post(PATH, ORDER)

    assert answer.status_code == 201
    event = Event.objects.get()
    assert answer.json() == {"id": event.public_id, "event": "order.created", "deliveries": 1, "duplicate": False}
    assert Delivery.objects.get().event == event


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("25.50", "25.5"),
        ("1.0", "1"),
        ("1e16", "10000000000000000"),
        ("1e-7", "1e-7"),
        ("-0.0", "0"),
        ("9007199254740992", "9007199254740992"),
    ],
)
def test_numbers_reach_the_store_as_javascript_writes_them(api: Client, sent: str, stored: str) -> None:
    answer = api.post(PATH, f'{{"event": "order.created", "data": {{"n": {sent}}}}}')

    assert answer.status_code == 201, answer.content
    assert Event.objects.get().data == f'{{"n":{stored}}}'


def test_an_integer_that_javascript_would_change_is_refused_with_its_place(api: Client) -> None:
    answer = api.post(PATH, '{"event": "order.created", "data": {"order": {"total": 9007199254740993}}}')

    assert answer.status_code == 422
    assert "data.order.total" in attrs(answer)["data"]
    assert "string" in attrs(answer)["data"]
    assert not Event.objects.exists()


def test_members_may_stand_in_any_order_and_with_white_space(api: Client) -> None:
    body = ' {\n "data" : { "a" : [ 1 , { } ] } ,\t"resource_id":"r-1", "event" : "order.created" , "id":"my-1" }\r\n'
    answer = api.post(PATH, body)

    assert answer.status_code == 201, answer.content
    event = Event.objects.get()
    assert (event.public_id, event.data, event.resource_id) == ("my-1", '{"a":[1,{}]}', "r-1")


def test_an_id_published_twice_is_stored_once(api: Client, webhook: dict[str, Any]) -> None:
    first = api.post(PATH, {**ORDER, "id": "order-1045"})
    second = api.post(PATH, {**ORDER, "id": "order-1045"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == "order-1045"
    assert second.json()["duplicate"] is True
    assert Event.objects.count() == Delivery.objects.count() == 1


def test_two_merchants_may_use_one_id(api: Client, stranger: Client) -> None:
    assert api.post(PATH, {**ORDER, "id": "order-1045"}).status_code == 201
    assert stranger.post(PATH, {**ORDER, "id": "order-1045"}).status_code == 201


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"data": {}}, "event"),
        ({"event": "order.created"}, "data"),
        ({**ORDER, "event": "order.craeted"}, "event"),
        ({**ORDER, "event": 5}, "event"),
        ({**ORDER, "event": ["order.created"]}, "event"),
        ({**ORDER, "event": None}, "event"),
        ({**ORDER, "data": [1]}, "data"),
        ({**ORDER, "data": None}, "data"),
        ({**ORDER, "data": {"a": "\0"}}, "data"),
        ({**ORDER, "id": "with.dot"}, "id"),
        ({**ORDER, "id": 7}, "id"),
        ({**ORDER, "id": "a" * 65}, "id"),
        ({**ORDER, "occurred_at": "2024-01-15T15:30:00"}, "occurred_at"),
        ({**ORDER, "occurred_at": "0001-01-01T00:00:00+23:59"}, "occurred_at"),
        ({**ORDER, "occurred_at": 1700000000}, "occurred_at"),
        ({**ORDER, "resource_id": "\0"}, "resource_id"),
        ({**ORDER, "resource_id": "\ud800"}, "resource_id"),
        ({**ORDER, "resource_id": "r" * 201}, "resource_id"),
        ({**ORDER, "typo": 1}, "typo"),
    ],
)
def test_a_wrong_member_is_named_and_nothing_is_stored(api: Client, body: Any, attr: str) -> None:
    answer = api.post(PATH, body)

    assert answer.status_code == 422, answer.content
    assert attr in attrs(answer)
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"event": "order.created", "data": {}',
        b'{"event": "order.created", "data": {}}}',
        b'{"event": "order.created", "data": {},}',
        b'{"event": "order.created" "data": {}}',
        b'{"event": "order.created", "data": NaN}',
        b'{"event": "order.created", "event": "order.paid", "data": {}}',
        b"\xef\xbb\xbf{}",
        b'{"event": "\xff", "data": {}}',
        b'{"event": "order.created", "data": ' + b"[" * 500,
        b'{"event": "a\nb", "data": {}}',
    ],
)
def test_a_body_that_is_not_json_is_400(api: Client, body: bytes) -> None:
    answer = api.post(PATH, body)

    assert answer.status_code == 400, answer.content
    assert answer.json()["type"] == "client_error"


@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"', '{"\\u0065vent": "order.created", "data": {}}'])
def test_json_of_another_shape_is_422(api: Client, body: str) -> None:
    assert api.post(PATH, body).status_code == 422


def test_data_nested_too_deeply_is_refused(api: Client) -> None:
    answer = api.post(PATH, '{"event": "order.created", "data": {"a": ' + "[" * 80 + "]" * 80 + "}}")

    assert answer.status_code == 422
    assert "nest" in attrs(answer)["data"]


def test_nesting_without_end_is_refused(api: Client) -> None:
    assert api.post(PATH, b'{"event": "order.created", "data": ' + b"[" * 100_000).status_code == 422


def test_data_over_the_limit_is_refused(api: Client) -> None:
    answer = api.post(PATH, {"event": "order.created", "data": {"a": "x" * 1_050_000}})

    assert answer.status_code == 422
    assert "bytes" in attrs(answer)["data"]


def test_a_body_over_the_request_limit_is_413(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_REQUEST_BODY_MAX = 1000
    answer = api.post(PATH, {"event": "order.created", "data": {"a": "x" * 1000}})

    assert answer.status_code == 413


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_another_media_type_is_415(api: Client, content_type: str) -> None:
    assert api.post(PATH, "{}", **{"Content-Type": content_type}).status_code == 415


@pytest.mark.django_db(transaction=True)  # PostgreSQL's now() is the transaction's start
def test_an_event_says_what_became_of_it_at_each_webhook(api: Client, webhook: dict[str, Any]) -> None:
    off = api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/off", "events": ["*"], "is_enabled": False}).json()
    elsewhere = api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/e", "events": ["file.*"]}).json()
    event = api.post(PATH, ORDER).json()
    later = api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/l", "events": ["*"]}).json()

    body = api.get(f"{PATH}/{event['id']}").json()

    assert body["data"] == ORDER["data"]
    why = {entry["webhook"]: entry for entry in body["webhooks"]}
    assert why[webhook["id"]]["status"] == "pending"
    assert why[off["id"]]["status"] == "skipped"
    assert why[off["id"]]["reason"]
    assert why[elsewhere["id"]]["status"] == "not_subscribed"
    assert "file.*" in why[elsewhere["id"]]["reason"]
    assert "after the event" in why[later["id"]]["reason"]


def test_events_are_listed_newest_first_and_by_name(api: Client, stranger: Client) -> None:
    for name in ("order.created", "order.paid", "order.created"):
        api.post(PATH, {"event": name, "data": {}})
    stranger.post(PATH, ORDER)

    names = [event["event"] for event in api.get(PATH).json()["results"]]
    created = api.get(f"{PATH}?event=order.paid").json()["results"]

    assert names == ["order.created", "order.paid", "order.created"]
    assert [event["event"] for event in created] == ["order.paid"]


# --- batches ----------------------------------------------------------------------------------------------------


def test_a_batch_is_stored_in_order_with_a_receipt_each(api: Client, webhook: dict[str, Any]) -> None:
    events = [{"event": "order.created", "data": {"n": n}, "id": f"e-{n}"} for n in range(100)]
    answer = api.post(f"{PATH}/batch", {"events": events})

    assert answer.status_code == 201
    receipts = answer.json()["events"]
    assert [receipt["id"] for receipt in receipts] == [f"e-{n}" for n in range(100)]
    assert {receipt["deliveries"] for receipt in receipts} == {1}
    assert Event.objects.count() == Delivery.objects.count() == 100


def test_a_batch_with_one_wrong_event_stores_none_and_names_it(api: Client) -> None:
    events = [ORDER, ORDER, {"event": "nope", "data": {}}, {"event": "order.created", "data": []}]
    answer = api.post(f"{PATH}/batch", {"events": events})

    assert answer.status_code == 422
    assert set(attrs(answer)) == {"events.2.event", "events.3.data"}
    assert not Event.objects.exists()


def test_every_malformed_envelope_of_a_batch_is_named(api: Client) -> None:
    answer = api.post(f"{PATH}/batch", {"events": [{"event": 5, "data": {}}, ORDER, {"data": {}}]})

    assert set(attrs(answer)) == {"events.0.event", "events.2.event"}


def test_a_batch_over_the_limit_is_refused(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_BATCH_MAX = 3
    answer = api.post(f"{PATH}/batch", {"events": [ORDER] * 4})

    assert answer.status_code == 422
    assert "3" in attrs(answer)["events"]


def test_an_empty_batch_publishes_nothing(api: Client) -> None:
    answer = api.post(f"{PATH}/batch", ' {"events" : [ ] } ')

    assert answer.status_code == 201
    assert answer.json() == {"events": []}


@pytest.mark.parametrize(
    "body",
    ["[]", "{}", '{"events": {}}', '{"events": [5]}', '{"events": [[]]}', '{"events": [], "more": 1}', '{"event": []}'],
)
def test_a_batch_of_another_shape_is_422(api: Client, body: str) -> None:
    assert api.post(f"{PATH}/batch", body).status_code == 422


@pytest.mark.parametrize(
    "body", ['{"events": [', '{"events": [{}', '{"events": [{},]}', '{"events": []', '{"events": [{}]]']
)
def test_a_batch_that_breaks_off_is_400(api: Client, body: str) -> None:
    assert api.post(f"{PATH}/batch", body).status_code == 400


CONTENTS: list[dict[str, Any]] = [
    {"data": {"order": {"id": "2"}}},
    {"data": {}},
    {"event": "order.paid"},
    {"event": "order.paid", "data": {}},
    {"resource_id": "r-2"},
]


@pytest.mark.parametrize("change", CONTENTS, ids=str)
def test_another_event_under_a_used_id_is_a_conflict(
    api: Client, webhook: dict[str, Any], change: dict[str, Any]
) -> None:
    known = {**ORDER, "id": "order-1045"}
    assert api.post(PATH, known).status_code == 201
    single = api.post(PATH, known | change)
    batch = api.post(f"{PATH}/batch", {"events": [{**ORDER, "id": "new"}, known | change]})

    for answer, where in ((single, "The id"), (batch, "events.1.id: The id")):
        assert answer.status_code == 409
        [error] = answer.json()["errors"]
        assert error["code"] == "event_id_taken"
        assert error["detail"].startswith(f"{where} 'order-1045' was published before")
    assert Event.objects.count() == Delivery.objects.count() == 1
