"""The test button over the API: real requests to real receivers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deliveries.models import Delivery
from deliveries.transport import ErrorClass
from tests.support.api import Client, attrs
from tests.support.hostile import HostileServer, answers, closes
from tests.support.receiver import TestReceiver


def webhook(api: Client, url: str, **settings: Any) -> dict[str, Any]:
    answer = api.post("/api/v1/webhooks", {"url": url, "events": ["order.*"], **settings})
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.mark.parametrize("dialect", ["alva", "litestore", "cryptlex", "shopery", "standard"])
def test_a_test_arrives_verifies_and_shows_the_whole_exchange(api: Client, dialect: str) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if dialect == "standard" else "a secret of mine"
    with TestReceiver(dialect=dialect, secret=secret) as receiver:
        made = webhook(api, receiver.url, dialect=dialect, secret=secret)
        answer = api.post(f"/api/v1/webhooks/{made['id']}/test", {"event": "order.paid"})

        assert answer.status_code == 200, answer.content
        [received] = receiver.requests
    shown = answer.json()
    assert received.problem == ""
    assert (shown["delivered"], shown["response"]["status_code"], shown["event"]) == (True, 200, "order.paid")
    assert shown["request"]["body"].encode() == received.body
    assert dict(shown["request"]["headers"])["webhook-test"]
    assert secret not in json.dumps(shown)
    assert shown["total_ms"] > 0
    assert not Delivery.objects.exists()


def test_the_first_event_subscribed_to_is_the_default(api: Client) -> None:
    with HostileServer(answers()) as server:
        made = webhook(api, server.url)
        assert api.post(f"/api/v1/webhooks/{made['id']}/test").json()["event"].startswith("order.")


@pytest.mark.parametrize(
    ("status", "delivered", "words"),
    [("204 No Content", True, "exactly 200"), ("500 Oops", False, ""), ("302 Found", False, "")],
)
def test_an_answer_that_is_not_200_is_said(api: Client, status: str, delivered: bool, words: str) -> None:
    with HostileServer(answers(status, b"" if delivered else b"\xff\x00")) as server:
        made = webhook(api, server.url)
        shown = api.post(f"/api/v1/webhooks/{made['id']}/test").json()

    assert shown["delivered"] is delivered
    assert words in shown["verdict"]
    assert shown["response"]["status_code"] == int(status[:3])
    assert bool(shown["error"]) is not delivered


def test_an_endpoint_that_hangs_up_is_an_answer_too(api: Client) -> None:
    with HostileServer(closes) as server:
        made = webhook(api, server.url)
        answer = api.post(f"/api/v1/webhooks/{made['id']}/test")

    assert answer.status_code == 200
    assert answer.json()["error"] in set(ErrorClass)
    assert answer.json()["response"]["status_code"] is None


def test_an_idempotent_test_is_sent_once(api: Client) -> None:
    with HostileServer(answers()) as server:
        made = webhook(api, server.url)
        path, key = f"/api/v1/webhooks/{made['id']}/test", {"Idempotency-Key": "t-1"}
        first, second = api.post(path, **key), api.post(path, **key)

        assert first.json() == second.json()
        assert len(server.requests) == 1


def test_a_wrong_test_is_refused(api: Client, stranger: Client, webhook: dict[str, Any]) -> None:
    path = f"/api/v1/webhooks/{webhook['id']}/test"

    assert set(attrs(api.post(path, {"event": "nope"}))) == {"event"}
    assert set(attrs(api.post(path, {"event": 5}))) == {"event"}
    assert stranger.post(path).status_code == 404
    key = {"Idempotency-Key": "t-1"}
    assert api.post(path, {"event": "nope"}, **key).status_code == 422
    assert api.post(path, {"event": "nope"}, **key).status_code == 422, "a refused request leaves its key free"
