"""Requests that wait for a feed: answered as soon as there is something, on no thread, and never for too long."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest
from django.db import connections

from deliveries.publishing import publish
from deliveries.queueing import redis_client
from subscriptions import limits, services
from subscriptions.models import Webhook
from subscriptions.services import NewMerchant
from tests.support.factories import make_webhook
from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, running
from webhooks_project.server import waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(transactional_db: None) -> NewMerchant:
    limits.forget_rates()
    return services.create_merchant(name="Shop", email="owner@shop.example", domain="shop.example")


@pytest.fixture
def webhook(shop: NewMerchant) -> Webhook:
    return make_webhook(shop.merchant, kind="pull", url="")


@pytest.fixture(params=[False, True], ids=["threads", "page process"])
def web(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Running]:
    with running(relayed=request.param) as server:
        yield server


class Asked:
    """A request on its way, from a thread of its own."""

    def __init__(self, web: Running, shop: NewMerchant, webhook: Webhook, query: str) -> None:
        self.answer: tuple[int, Any, dict[str, str]] | None = None
        self.seconds = 0.0
        self._given = web.port, shop.api_key, f"/api/v1/webhooks/{webhook.public_id}/feed?{query}"
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        port, key, path = self._given
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}", "Host": "localhost"})
        answer = connection.getresponse()
        body = answer.read()
        self.seconds = time.monotonic() - began
        self.answer = answer.status, json.loads(body), {name.lower(): value for name, value in answer.getheaders()}
        connection.close()

    def wait(self) -> tuple[int, Any, dict[str, str]]:
        self._thread.join(60)
        assert self.answer is not None
        return self.answer


@pytest.fixture
def ask(web: Running, shop: NewMerchant, webhook: Webhook) -> Callable[..., Asked]:
    return lambda query="wait=30", of=None: Asked(web, shop, of or webhook, query)


def parked(web: Running, count: int = 1) -> None:
    wait_for(lambda: len(web.server.waiting) == count, 10, f"{count} requests that wait")


def test_who_waits_is_answered_as_soon_as_an_event_is_committed(web, shop, webhook, ask):
    asked = ask()
    parked(web)
    time.sleep(0.3)  # past the look at whoever has just begun to wait
    began = time.monotonic()
    event = publish("order.created", {"n": 1}, merchant=shop.merchant)
    status, page, _ = asked.wait()
    assert (status, [item["event_id"] for item in page["results"]]) == (200, [event.public_id])
    assert time.monotonic() - began < 0.9, "sooner than the next look at the database"
    assert len(web.server.waiting) == 0


def test_without_redis_it_is_found_within_a_second(web, shop, ask):
    asked = ask()
    parked(web)
    redis_client.breaker.open("a test")
    try:
        began = time.monotonic()
        publish("order.created", {"n": 1}, merchant=shop.merchant)
        assert len(asked.wait()[1]["results"]) == 1
        assert time.monotonic() - began < waiting.LOOK + waiting.HEAR + 1
    finally:
        redis_client.breaker.close()


def test_a_wait_ends_in_time_with_a_cursor(web, ask):
    asked = ask("wait=1")
    status, page, _ = asked.wait()
    assert (status, page["results"]) == (200, [])
    assert page["cursor"]
    assert 0.9 < asked.seconds < 3
    status, _page, _ = ask(f"wait=1&after={page['cursor']}").wait()
    assert status == 200


def test_who_waits_for_another_feed_goes_on_waiting(web, shop, ask):
    other = make_webhook(shop.merchant, kind="pull", url="", events=["order.paid"])
    mine, others = ask(), ask("wait=3", other)
    parked(web, 2)
    publish("order.created", {"n": 1}, merchant=shop.merchant)
    assert mine.wait()[1]["results"]
    assert others.wait()[1]["results"] == []


def test_a_hundred_that_wait_hold_no_thread(web, ask):
    before = threading.active_count()
    asked = [ask("wait=8") for _ in range(100)]
    parked(web, 100)
    own = threading.active_count() - before - len(asked)
    assert own <= 2, "the one that listens, and what the relay's end may take"
    began = time.monotonic()
    assert ask("wait=0").wait()[0] == 200
    assert time.monotonic() - began < 1.5, "others are answered meanwhile"
    assert [each.wait()[0] for each in asked] == [200] * 100


def test_a_tenant_may_let_so_many_wait(web, ask, monkeypatch):
    monkeypatch.setattr(waiting, "OF_MERCHANT_MAX", 3)
    asked = [ask("wait=2") for _ in range(3)]
    parked(web, 3)
    status, body, headers = ask("wait=2").wait()
    assert (status, body["errors"][0]["code"], headers["retry-after"]) == (429, "too_many_waiting", "5")
    assert [each.wait()[0] for each in asked] == [200] * 3


def test_who_leaves_is_forgotten(web, shop, webhook):
    head = f"GET /api/v1/webhooks/{webhook.public_id}/feed?wait=30 HTTP/1.1\r\nHost: localhost\r\n"
    data = f"{head}Authorization: Bearer {shop.api_key}\r\n\r\n".encode()
    with Wire(web.port) as wire:
        wire.send(data)
        parked(web)
    parked(web, 0)


def test_a_feed_that_is_switched_off_tells_who_waits(web, webhook, ask):
    asked = ask()
    parked(web)
    services.disable(webhook=webhook)
    status, body, _ = asked.wait()
    assert (status, body["errors"][0]["code"]) == (409, "conflict")
    assert asked.seconds < 10


def test_a_paused_feed_gives_once_it_is_resumed(web, shop, webhook, ask):
    services.pause(webhook=webhook, by="test")
    publish("order.created", {"n": 1}, merchant=shop.merchant)
    asked = ask()
    parked(web)
    time.sleep(1.5)
    assert asked.answer is None
    services.resume(webhook=webhook, by="test")
    assert len(asked.wait()[1]["results"]) == 1


def test_a_request_that_waited_counts_once_against_the_limit(web, shop, ask):
    remaining = int(ask("wait=0").wait()[2]["x-ratelimit-remaining"])
    asked = ask()
    parked(web)
    publish("order.created", {"n": 1}, merchant=shop.merchant)
    assert int(asked.wait()[2]["x-ratelimit-remaining"]) == remaining - 1
    assert int(ask("wait=0").wait()[2]["x-ratelimit-remaining"]) == remaining - 2


def test_a_test_send_reaches_who_waits(web, webhook, ask):
    from deliveries.queueing import feed_tests

    asked = ask()
    parked(web)
    assert feed_tests.put(webhook.pk, "order.created")
    [item] = asked.wait()[1]["results"]
    assert item["headers"]["webhook-test"] == "true"


def test_a_server_that_ends_answers_who_waits(shop, webhook, transactional_db):
    with running() as web, ThreadPoolExecutor(1) as beside:
        asked = Asked(web, shop, webhook, "wait=30")
        parked(web)
        took = beside.submit(web.stop).result()
        status, page, _ = asked.wait()
    assert (status, page["results"]) == (200, [])
    assert took < 10


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    yield
    connections.close_all()
