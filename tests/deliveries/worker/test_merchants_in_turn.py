"""One merchant's webhooks, however many, leave places of a process to the other merchants' (promise 6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from deliveries.models import Delivery
from deliveries.queueing import wakeups
from deliveries.recording.recorder import Recorder
from deliveries.sending import merchant_shares, slow_webhooks
from deliveries.sending.merchant_shares import COMPANY_SHARE
from deliveries.worker import dispatcher
from deliveries.worker.engine import Engine
from subscriptions.models import Webhook
from tests.support.at_once import uncommitted
from tests.support.dispatching import own_engine, until, work_and_close
from tests.support.engine import due, due_one, widen
from tests.support.factories import make_merchant, make_webhook
from tests.support.hostile import Connection, HostileServer, answers

pytestmark = pytest.mark.django_db(transaction=True)
MOST = 64


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Engine]:
    monkeypatch.setattr(slow_webhooks, "SLOW", 60.0)  # they hang, and nobody knows it yet
    settings.WEBHOOKS_OPEN_REQUESTS_MAX = MOST
    yield from own_engine(monkeypatch, idle=0.5)


def _all_arrived() -> bool:
    return not Delivery.objects.exclude(status="delivered").exists()


class _Hangs:
    """Endpoints that answer when they are let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, connection: Connection) -> None:
        connection.read_request()
        self.let_go.wait(30)
        connection.answer()


def _crowd(url: str, webhooks: int, events: int) -> list[Webhook]:
    merchant = make_merchant()
    hooks = [make_webhook(merchant, url=url, timeout=30) for _ in range(webhooks)]
    due(hooks[0], events)
    widen(*hooks, window=10)
    return hooks


def test_a_merchant_whose_webhooks_all_hang_leaves_places_to_the_next(empty_redis: redis.Redis, parts: Engine) -> None:
    hangs = _Hangs()
    with HostileServer(hangs) as hostile, HostileServer(answers()) as quick:
        crowd = _crowd(hostile.url, 20, 10)
        worker = threading.Thread(target=work_and_close, args=([webhook.pk for webhook in crowd],))
        worker.start()
        try:
            until(lambda: parts.sender.open >= MOST // 4)
            time.sleep(0.5)
            assert parts.sender.open <= MOST * 3 // 4, "one that is alone leaves places to whoever comes"
            webhook, late = make_webhook(url=quick.url), []
            widen(webhook)
            for _ in range(5):
                began, delivery = time.monotonic(), due_one(webhook)
                wakeups.wake([webhook.pk])
                until(lambda pk=delivery.pk: Delivery.objects.get(pk=pk).status == "delivered", 10)  # type: ignore[misc]
                late.append(time.monotonic() - began)
            assert sorted(late)[2] < 1.0, late
        finally:
            hangs.let_go.set()
            until(_all_arrived, 30)
            parts.begin_stop()
            worker.join(20)
    assert not worker.is_alive()


def test_beside_others_a_merchant_holds_its_share_at_most_and_everything_arrives(
    empty_redis: redis.Redis, parts: Engine
) -> None:
    """Recorded or not: outcomes that wait to be written are the merchant's as well."""
    with HostileServer(answers()) as server:
        small = make_webhook(url=server.url)
        crowd = _crowd(server.url, 30, 1)
        worker = threading.Thread(target=work_and_close, args=([small.pk, *(webhook.pk for webhook in crowd)],))
        due_one(small)
        worker.start()
        until(_all_arrived)
        due(crowd[0], 20)
        wakeups.wake([webhook.pk for webhook in crowd])
        held = []
        while not _all_arrived():
            if len(held) % 20 == 0 and len(held) < 2000:
                due_one(small)
                wakeups.wake([small.pk])
            held.append(parts.held_of(crowd[0].merchant_id))
            assert len(held) < 10_000
            time.sleep(0.002)
        parts.begin_stop()
        worker.join(20)
    assert 1 <= max(held) <= MOST * COMPANY_SHARE
    assert parts.held_of(crowd[0].merchant_id) == 0


def test_a_merchant_has_its_share_of_a_process_that_never_met_its_webhooks(
    empty_redis: redis.Redis, parts: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after each start, and of webhooks that are made anew all the time."""
    monkeypatch.setattr(dispatcher, "IDLE", 30.0)
    hangs = _Hangs()
    with HostileServer(hangs) as hostile, HostileServer(answers()) as quick:
        small = [make_webhook(url=quick.url) for _ in range(2)]
        for webhook in small:
            due_one(webhook)
        worker = threading.Thread(target=work_and_close, args=([webhook.pk for webhook in small],))
        worker.start()
        until(_all_arrived)
        crowds = [_crowd(hostile.url, 60, 3) for _ in range(2)]
        try:
            wakeups.wake([webhook.pk for crowd in crowds for webhook in crowd])
            until(lambda: all(parts.held_of(crowd[0].merchant_id) >= 4 for crowd in crowds))
            time.sleep(1.0)
            assert [parts.held_of(crowd[0].merchant_id) <= MOST * COMPANY_SHARE for crowd in crowds] == [True, True]
        finally:
            hangs.let_go.set()
            parts.begin_stop()
            worker.join(20)


def test_slow_webhooks_wait_in_their_merchants_line(
    empty_redis: redis.Redis, parts: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merchant with 200 slow ones, which wait for each other, doesn't keep another's single slow one waiting."""
    monkeypatch.setattr(slow_webhooks, "SLOW", 0.05)

    def slowly(connection: Connection) -> None:
        connection.read_request()
        connection.sleep(0.4)
        connection.answer()

    with HostileServer(slowly) as server:
        crowd = _crowd(server.url, 200, 3)
        lone = make_webhook(url=server.url)
        worker = threading.Thread(target=work_and_close, args=([lone.pk, *(webhook.pk for webhook in crowd)],))
        worker.start()
        late = []
        for _ in range(5):
            began, delivery = time.monotonic(), due_one(lone)
            wakeups.wake([lone.pk])
            until(lambda pk=delivery.pk: Delivery.objects.get(pk=pk).status == "delivered")  # type: ignore[misc]
            late.append(time.monotonic() - began)
        assert Delivery.objects.filter(webhook__in=crowd, status="pending").count() > 100
        assert sorted(late)[2] < 1.2, "its own 0.4 s, and not the crowd's"
        parts.begin_stop()
        worker.join(20)


def test_while_outcomes_wait_long_merchants_have_few_and_the_next_has_its_turn(
    empty_redis: redis.Redis, parts: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What many merchants' endpoints answer together waits to be recorded; who comes then mustn't wait behind it."""
    monkeypatch.setattr(Recorder, "is_late", property(lambda _self: True))
    monkeypatch.setattr(merchant_shares, "FEW", 3)
    hangs = _Hangs()
    with HostileServer(hangs) as hostile, HostileServer(answers()) as quick:
        crowd = _crowd(hostile.url, 10, 5)
        worker = threading.Thread(target=work_and_close, args=([webhook.pk for webhook in crowd],))
        worker.start()
        try:
            until(lambda: parts.held_of(crowd[0].merchant_id) == 3)
            for _ in range(3):
                delivery = due_one(url=quick.url)
                wakeups.wake([delivery.webhook_id])
                until(lambda pk=delivery.pk: Delivery.objects.get(pk=pk).status == "delivered", 5)  # type: ignore[misc]
            assert parts.held_of(crowd[0].merchant_id) == 3
        finally:
            hangs.let_go.set()
            until(_all_arrived, 30)
            parts.begin_stop()
            worker.join(20)


def test_an_answered_delivery_counts_for_its_merchant_until_it_is_recorded(
    empty_redis: redis.Redis, parts: Engine
) -> None:
    hangs = _Hangs()
    with HostileServer(hangs) as server:
        delivery = due_one(url=server.url)
        merchant = delivery.webhook.merchant_id
        worker = threading.Thread(target=work_and_close, args=([delivery.webhook_id],))
        worker.start()
        until(lambda: parts.sender.open_of(merchant) == 1)
        with uncommitted(lambda: Delivery.objects.select_for_update().get(pk=delivery.pk)):
            hangs.let_go.set()
            until(lambda: parts.sender.open_of(merchant) == 0)
            assert parts.held_of(merchant) == 1
        until(lambda: parts.held_of(merchant) == 0)
        parts.begin_stop()
        worker.join(20)
    assert Delivery.objects.get(pk=delivery.pk).status == "delivered"
