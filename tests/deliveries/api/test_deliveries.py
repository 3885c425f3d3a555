"""The log over the API, and whose deliveries it shows."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import Attempt, DeadLetter, Delivery
from tests.support.api import Client, attrs
from tests.support.delivery_log import LOG, QUEUE, close, ids


def test_the_log_shows_the_newest_first(api: Client, deliveries: list[Delivery]) -> None:
    assert ids(api.get(LOG)) == [delivery.public_id for delivery in reversed(deliveries)]


def test_each_filter_selects(api: Client, webhook: dict[str, Any], deliveries: list[Delivery]) -> None:
    close(deliveries[0], "dead")
    close(deliveries[1], "delivered")
    event = deliveries[3].event
    soon = (timezone.now() + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")

    def found(query: str) -> int:
        return len(ids(api.get(f"{LOG}?{query}")))

    assert found("status=dead") == 1
    assert found("status=failed") == 1
    assert found("status=dead,delivered") == 2
    assert found("status=open") == 3
    assert found("event=order.created") == 5
    assert found("event=order.paid") == 0
    assert found(f"event={event.public_id}") == 1
    assert found(f"webhook={webhook['id']}") == 5
    assert found("webhook=wbh_other") == 0
    assert found(f"until={soon}") == 5
    assert found(f"since={soon}") == 0
    assert found("created_at_min=2000-01-01T00:00:00Z") == 5
    assert found("search=order-2") == 1
    assert found(f"search={deliveries[4].public_id}") == 1
    assert found("search=http://127.0.0.1:9/") == 5
    assert found("updated_at_min=2000-01-01T00:00:00%2B00:00") == 5


@pytest.mark.parametrize(
    "query",
    [
        "stauts=dead",
        "limit=0",
        "limit=1000",
        "limit=ten",
        "limit=%D9%A1",
        "cursor=nonsense",
        "cursor=a9999999999999999999",
        "cursor=%C3%A9",
        "fields=nothing",
        "page=2",
    ],
)
def test_a_query_that_makes_no_sense_is_400_and_named(api: Client, deliveries: list[Delivery], query: str) -> None:
    answer = api.get(f"{LOG}?{query}")

    assert answer.status_code == 400, answer.content
    assert set(attrs(answer)) == {query.split("=", maxsplit=1)[0]}


@pytest.mark.parametrize(
    "query",
    ["status=lost", "since=yesterday", "since=2024-01-15T00:00:00", "since=0001-01-01T00:00:00%2B23:59"],
)
def test_a_filters_value_that_makes_no_sense_is_422_and_named(
    api: Client, deliveries: list[Delivery], query: str
) -> None:
    answer = api.get(f"{LOG}?{query}")

    assert answer.status_code == 422, answer.content
    assert set(attrs(answer)) == {query.split("=", maxsplit=1)[0]}


def test_pages_follow_each_other_and_stay_put_while_rows_are_added(api: Client, deliveries: list[Delivery]) -> None:
    expected = [delivery.public_id for delivery in reversed(deliveries)]

    first = api.get(f"{LOG}?limit=2")
    api.post("/api/v1/events", {"event": "order.paid", "data": {}})
    second = api.get(first.json()["next"])
    third = api.get(second.json()["next"])

    assert ids(first) + ids(second) + ids(third) == expected
    assert third.json()["next"] is None
    assert first.json()["previous"] is None
    back = api.get(third.json()["previous"])
    assert ids(back) == ids(second)
    newest = api.get(api.get(back.json()["previous"]).json()["previous"])
    assert len(ids(newest)) == 1
    assert newest.json()["previous"] is None


def test_fields_select_what_is_shown(api: Client, deliveries: list[Delivery]) -> None:
    assert api.get(f"{LOG}?fields=id,status&limit=1").json()["results"] == [
        {"id": deliveries[-1].public_id, "status": "pending"}
    ]


def test_a_delivery_shows_its_attempts_and_any_bytes_that_came_back(api: Client, deliveries: list[Delivery]) -> None:
    delivery = deliveries[0]
    for number, body in enumerate((b"fine \xc3\xa9", b"\xff\x00bad"), start=1):
        Attempt.objects.create(
            delivery=delivery,
            webhook_id=delivery.webhook_id,
            number=number,
            result="failed",
            started_at=timezone.now(),
            url="http://127.0.0.1:9/hook",
            response_body=body,
            request_headers='[["webhook-id", "e-0"]]',
        )

    shown = api.get(f"{LOG}/{delivery.public_id}").json()

    assert shown["data"] == {"n": 0}
    good, bad = shown["attempts"]
    assert (good["number"], good["response_body"], good["response_body_base64"]) == (1, "fine é", None)
    assert bad["response_body"] == "\ufffd\0bad"
    assert base64.b64decode(bad["response_body_base64"]) == b"\xff\x00bad"
    assert good["request_headers"] == [["webhook-id", "e-0"]]


def test_a_closed_delivery_is_retried_as_a_new_chain(api: Client, deliveries: list[Delivery]) -> None:
    delivery = close(deliveries[0], "dead")

    answer = api.post(f"{LOG}/{delivery.public_id}/retry")

    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], answer.json()["replays"]) == ("retrying", 1)
    assert not DeadLetter.objects.filter(resolved_at=None).exists()


def test_a_delivery_that_is_being_sent_is_409(api: Client, deliveries: list[Delivery]) -> None:
    Delivery.objects.filter(pk=deliveries[0].pk).update(status="sending")

    assert api.post(f"{LOG}/{deliveries[0].public_id}/retry").status_code == 409
    assert api.post(f"{LOG}/{deliveries[0].public_id}/cancel").status_code == 409


def test_an_open_delivery_is_cancelled(api: Client, deliveries: list[Delivery]) -> None:
    answer = api.post(f"{LOG}/{deliveries[0].public_id}/cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert "ak_live_" in answer.json()["reason"]


def test_the_log_is_replayed_by_status_and_by_default_what_is_dead(api: Client, deliveries: list[Delivery]) -> None:
    close(deliveries[0], "dead")
    close(deliveries[1], "delivered")
    close(deliveries[2], "delivered")

    assert api.post(f"{LOG}/replay", {"all": True, "dry_run": True}).json()["count"] == 1
    assert api.post(f"{LOG}/replay", {"dry_run": True, "ids": [deliveries[1].public_id]}).json()["count"] == 1
    assert api.post(f"{LOG}/replay", {"status": ["delivered"], "dry_run": True}).json()["count"] == 2
    assert api.post(f"{LOG}/replay", {"status": "delivered"}).json()["count"] == 2
    assert Delivery.objects.filter(status="retrying").count() == 2


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"ids": "dlv_1"}, "ids"),
        ({"ids": [1]}, "ids"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"status": "lost"}, "status"),
        ({"status": ["dead", "lost"]}, "status"),
        ({"status": [1]}, "status"),
        ({"event": ["order.created"]}, "event"),
        ({"since": 5}, "since"),
        ({"everything": True}, "everything"),
    ],
)
def test_a_wrong_bulk_request_is_refused(api: Client, deliveries: list[Delivery], body: Any, attr: str) -> None:
    answer = api.post(f"{LOG}/replay", body)

    assert answer.status_code == 422
    assert set(attrs(answer)) == {attr}


def test_nothing_of_another_merchant_is_seen_or_touched(
    api: Client, stranger: Client, deliveries: list[Delivery]
) -> None:
    dead = close(deliveries[0], "dead")

    for path in (LOG, QUEUE, "/api/v1/events"):
        assert stranger.get(path).json()["results"] == []
    for path in (
        f"{LOG}/{dead.public_id}",
        f"{QUEUE}/{dead.public_id}",
        "/api/v1/events/e-0",
    ):
        assert stranger.get(path).status_code == 404
    for path in (
        f"{LOG}/{dead.public_id}/retry",
        f"{LOG}/{dead.public_id}/cancel",
        f"{QUEUE}/{dead.public_id}/replay",
        f"{QUEUE}/{dead.public_id}/discard",
    ):
        assert stranger.post(path).status_code == 404
    for path in (f"{LOG}/replay", f"{QUEUE}/replay", f"{QUEUE}/discard"):
        assert stranger.post(path, {"ids": [dead.public_id]}).json()["count"] == 0
    assert Delivery.objects.get(pk=dead.pk).status == "dead"
