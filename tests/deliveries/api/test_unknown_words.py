"""Words that a filter doesn't know: refused by the filter's name, with the words there are; never an empty list."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from deliveries.models import DeadLetter, Delivery, Job
from deliveries.review.selection import ERRORS, STATUSES
from deliveries.transport import ErrorClass
from tests.support.api import Client, attrs
from tests.support.delivery_log import close
from tests.support.factories import make_event_type

pytestmark = pytest.mark.django_db

STATUS, ERROR = ", ".join(STATUSES), ", ".join(ERRORS)
WORDS = [
    # list, parameter, value, what the refusal names
    *(("deliveries", "status", word, STATUS) for word in (
        "lost", "Dead", "DEAD", "dead;open", "dead|open", "dead delivered", "all", "any", "*", "null", "none",
        "pending,lost", "undeliverd", "déad",
    )),
    *(("dead-letters", "error", word, ERROR) for word in (
        "timeout", "HTTP_ERROR", "http-error", "http_error,dns_failed", "500", "null", "any", "*", "None", "a b",
    )),
    *((one, "event", word, "Did you mean order.created") for one in ("dead-letters", "undelivered", "events")
      for word in ("order.craeted", "Order.Created", "order.created2", "orders.created", "order created")),
    *((one, "event", word, "event types") for one in ("dead-letters", "undelivered", "events")
      for word in ("*", "zzz", "null", "undefined", "%", "${EVENT}")),
    *(("deliveries", "event", word, "none of yours with this id") for word in (
        "order.craeted", "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A", "undefined", "*", "order.*", "null",
    )),
    *(("webhooks", "event", word, "There is no event") for word in ("order.craeted", "ordres.*", "order", "**")),
    *(("webhooks", "is_enabled", word, "true or false") for word in ("perhaps", "1", "yes", "TRUE", "null")),
    *(("dead-letters", "status_code", word, "HTTP status") for word in ("5xx", "99", "600", "5\uff10\uff10", "-500")),
    *((one, "since", word, "moment with its zone") for one in ("deliveries", "events", "dead-letters")
      for word in ("yesterday", "2024-01-15", "1705332600", "2024-13-01T00:00:00Z", "now")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "name", "value", "told"), WORDS)
def test_a_list_refuses_a_word_that_its_filter_does_not_know(
    api: Client, deliveries: list[Delivery], one: str, name: str, value: str, told: str
) -> None:
    answer = api.get(f"/api/v1/{one}?{name}={quote(value)}")
    assert answer.status_code == 422, answer.content
    assert list(attrs(answer)) == [name]
    assert told in attrs(answer)[name]


@pytest.fixture
def dead(api: Client, deliveries: list[Delivery]) -> list[Delivery]:
    return [close(delivery, "dead") for delivery in deliveries]


BULK = [
    *(("deliveries/replay", name, value, told) for one, name, value, told in WORDS if one == "deliveries"),
    *((f"dead-letters/{what}", name, value, told) for one, name, value, told in WORDS if one == "dead-letters"
      for what in ("replay", "discard")),
    ("deliveries/replay", "status", ["dead", "lost"], STATUS),
    ("deliveries/replay", "status", ["Dead"], STATUS),
]  # fmt: skip


@pytest.mark.parametrize(("route", "name", "value", "told"), BULK)
def test_a_bulk_request_and_its_count_refuse_it_alike(
    api: Client, dead: list[Delivery], route: str, name: str, value: Any, told: str
) -> None:
    for extra in ({}, {"dry_run": True}):
        answer = api.post(f"/api/v1/{route}", {name: value} | extra)
        assert answer.status_code == 422, answer.content
        assert list(attrs(answer)) == [name]
        assert told in attrs(answer)[name]
    assert DeadLetter.objects.filter(resolved_at=None).count() == len(dead)
    assert not Job.objects.exists()


@pytest.mark.parametrize("word", ERRORS)
def test_every_error_of_the_engine_is_a_word(api: Client, deliveries: list[Delivery], word: str) -> None:
    close(deliveries[0], "dead")
    DeadLetter.objects.update(error="" if word == "none" else word)
    assert [row["id"] for row in api.get(f"/api/v1/dead-letters?error={word}").json()["results"]] == [
        deliveries[0].public_id
    ]
    answer = api.post("/api/v1/dead-letters/replay", {"error": word, "dry_run": True})
    assert answer.json()["count"] == 1
    assert {str(error) for error in ErrorClass} | {"none"} == set(ERRORS)


def test_an_alias_selects_what_is_stored_under_the_entrys_own_name(api: Client, webhook: dict[str, Any]) -> None:
    make_event_type("order.parcel_sent", aliases=["order.parcel-sent"])
    published = api.post("/api/v1/events", {"event": "order.parcel-sent", "data": {}})
    assert published.status_code == 201, published.content
    for one in ("deliveries", "events", "undelivered"):
        for name in ("order.parcel_sent", "order.parcel-sent"):
            assert len(api.get(f"/api/v1/{one}?event={name}").json()["results"]) == 1, (one, name)
    close(Delivery.objects.get(event_type="order.parcel_sent"), "dead")
    for name in ("order.parcel_sent", "order.parcel-sent"):
        assert len(api.get(f"/api/v1/dead-letters?event={name}").json()["results"]) == 1
        for route in ("deliveries/replay", "dead-letters/discard"):
            assert api.post(f"/api/v1/{route}", {"event": name, "dry_run": True}).json()["count"] == 1


def test_events_of_entries_that_are_offered_no_more_are_still_found(api: Client, webhook: dict[str, Any]) -> None:
    entry = make_event_type("order.parcel_lost")
    api.post("/api/v1/events", {"event": "order.parcel_lost", "data": {}})
    entry.is_active = False
    entry.save()
    for one in ("deliveries", "events", "undelivered"):
        assert len(api.get(f"/api/v1/{one}?event=order.parcel_lost").json()["results"]) == 1


def test_an_events_own_id_selects_its_deliveries_even_where_there_is_none(api: Client) -> None:
    api.post("/api/v1/events", {"event": "order.created", "data": {}, "id": "order-77"})
    answer = api.get("/api/v1/deliveries?event=order-77")
    assert (answer.status_code, answer.json()["results"]) == (200, [])


def test_the_document_names_the_words(client: Any) -> None:
    paths = client.get("/api/schema/", headers={"Accept": "application/json"}).json()["paths"]
    [error] = [one for one in paths["/api/v1/dead-letters"]["get"]["parameters"] if one["name"] == "error"]
    assert error["schema"]["enum"] == list(ERRORS)
