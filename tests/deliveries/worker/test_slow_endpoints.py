"""Endpoints that take long leave places to the others, however many they are (promise 6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from deliveries.models import Delivery
from deliveries.sending import slow_webhooks
from deliveries.worker.engine import Engine
from subscriptions.models import Webhook
from tests.support.dispatching import own_engine, until, work_and_close
from tests.support.engine import due, due_one, widen
from tests.support.factories import make_webhook
from tests.support.hostile import Connection, HostileServer, answers

pytestmark = pytest.mark.django_db(transaction=True)
MOST = 16


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Engine]:
    monkeypatch.setattr(slow_webhooks, "SLOW", 0.2)
    settings.WEBHOOKS_OPEN_REQUESTS_MAX = MOST
    yield from own_engine(monkeypatch, idle=0.5)


@contextmanager
def _on_duty(parts: Engine, webhook_ids: list[int]) -> Iterator[None]:
    """Keep a dispatcher on duty; one that lost Redis is called anew, as by the sweep."""
    ends = threading.Event()

    def work() -> None:
        while not ends.is_set():
            work_and_close(webhook_ids)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ends.set()
        parts.begin_stop()
        worker.join(20)
    assert not worker.is_alive()


def _takes(seconds: float) -> Callable[[Connection], None]:
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.sleep(seconds)
        connection.answer()

    return handler


def _crowd(url: str, each: int) -> list[int]:
    """Make twelve webhooks of a slow endpoint with `each` deliveries."""
    hooks = [make_webhook(url=url) for _ in range(12)]
    for webhook in hooks:
        due(webhook, each)
    return [webhook.pk for webhook in hooks]


@pytest.fixture(params=["answers late", "answers late, in wide windows"])
def crowd(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    with HostileServer(_takes(0.6)) as server:
        hooks = _crowd(server.url, 8)
        if "wide" in request.param:
            widen(*Webhook.objects.filter(pk__in=hooks))
        yield hooks


def test_a_crowd_of_slow_endpoints_leaves_half_of_the_places(
    empty_redis: redis.Redis, parts: Engine, crowd: list[int]
) -> None:
    open_now, late = [], []
    with _on_duty(parts, crowd), HostileServer(answers()) as server:
        # All are known to be slow once each has had a request that took long.
        until(lambda: len(parts.sender.divide(crowd)[1]) == len(crowd) and parts.sender.open <= MOST // 2)
        quick = make_webhook(url=server.url)
        for _ in range(10):
            delivery = due_one(quick)
            began = time.monotonic()
            until(lambda pk=delivery.pk: Delivery.objects.get(pk=pk).status == "delivered")
            late.append(time.monotonic() - began)
            open_now.append(parts.sender.open)
            time.sleep(0.1)
    assert max(open_now) <= MOST // 2 + 1
    assert sorted(late)[5] < 0.3, "none waits for a slow request to end"


def test_slow_endpoints_get_all_that_is_theirs(empty_redis: redis.Redis, parts: Engine, crowd: list[int]) -> None:
    """Fewer places at a time, and still everything arrives; nothing waits for a sweep that isn't there."""
    with _on_duty(parts, crowd):
        until(lambda: not Delivery.objects.exclude(status="delivered").exists())
    assert Delivery.objects.count() == 12 * 8


def test_what_waits_for_a_place_is_ready_again_when_the_dispatcher_goes(
    empty_redis: redis.Redis, parts: Engine
) -> None:
    """Nobody else would wake it: it has no request open whose record would."""
    with HostileServer(_takes(0.6)) as server:
        crowd = _crowd(server.url, 40)
        worker = threading.Thread(target=work_and_close, args=(crowd,))
        worker.start()
        until(lambda: len(parts.sender.divide(crowd)[1]) == len(crowd) and parts.sender.slow_free() == 0)
        time.sleep(2.0)  # the first requests, one for each, have ended; since then they share the places
        until(lambda: parts.sender.slow_free() == 0)
        time.sleep(0.1)
        parts.begin_stop()
        worker.join(20)
        rows = Delivery.objects.filter(webhook_id__in=crowd)
        nothing_open = set(crowd) - set(rows.filter(status="sending").values_list("webhook_id", flat=True))
        assert nothing_open, "twelve webhooks share eight places"
        assert rows.filter(status="pending", webhook_id__in=nothing_open).exists()
        time.sleep(0.3)
        assert {int(pk) for pk in empty_redis.smembers("mw:ready")} >= nothing_open
