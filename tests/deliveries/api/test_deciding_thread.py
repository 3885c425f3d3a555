"""Events about which Python decides wait for a thread of their own: nobody else waits behind them."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction

from deliveries.api import publish_chunks
from deliveries.api.deciding_thread import DecidingThread
from deliveries.models import Delivery, Event
from deliveries.publishing import readings
from subscriptions import services
from subscriptions.services import NewMerchant
from tests.support.factories import make_webhook
from tests.support.publishing_web import BATCH, ORDER, PATH, PublishingWeb

pytestmark = pytest.mark.django_db(transaction=True)

RULES: dict[str, dict[str, Any]] = {
    "fields": {"fields": ["order.id"]},
    "filter and fields": {"fields": ["order.id"], "filter": "data.order.id == '1045'"},
    "order and fields": {"fields": ["order.id"], "ordering": "resource"},
}
TABLE = "webhooks_deliveries_lastsent"
"""Only decisions about chosen fields use it."""
KEYED = {"Idempotency_Key": "key-1"}
SENT: dict[str, tuple[str, Any, dict[str, str]]] = {
    "alone": (PATH, ORDER, {}),
    "with an id": (PATH, ORDER | {"id": "mine"}, {}),
    "with a key": (PATH, ORDER, KEYED),
    "batch": (BATCH, {"events": [ORDER, ORDER]}, {}),
    "batch with ids": (BATCH, {"events": [ORDER | {"id": "a"}, ORDER | {"id": "b"}]}, KEYED),
}


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    readings._decided.clear()
    readings._costly.clear()
    yield
    readings._decided.clear()


@pytest.fixture
def deciding(quick: PublishingWeb) -> NewMerchant:
    """A second merchant of the same server."""
    return services.create_merchant(name="choosy", email="choosy@shop.example", domain="choosy.example")


def _wait_until_somebody_waits() -> None:
    """Wait for a session that waits for a lock of ours."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [TABLE])
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the lock")


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("is_known", [False, True], ids=["first", "known"])
def test_who_waits_for_a_decision_keeps_nobody_waiting(
    quick: PublishingWeb, deciding: NewMerchant, rules: str, sent: str, is_known: bool
) -> None:
    make_webhook(deciding.merchant, **RULES[rules])
    path, body, headers = SENT[sent]
    as_deciding = {"Authorization": f"Bearer {deciding.api_key}"}
    if is_known:
        assert quick.post(ORDER, **as_deciding)[0] == 201
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            held: Future[tuple[int, Any, str]] = pool.submit(quick.post, body, path, **headers, **as_deciding)
            _wait_until_somebody_waits()
            for own in (ORDER, ORDER | {"id": "own"}):
                assert quick.post(own, path if path == PATH else PATH)[0] == 201
            assert quick.post({"events": [ORDER]}, BATCH)[0] == 201
            assert not held.done()
        status, _headers, text = held.result(10)
    assert status == 201, text
    assert quick.views == []
    published = Event.objects.filter(merchant=deciding.merchant).count() - is_known
    assert published == (2 if path == BATCH else 1)
    answer = json.loads(text)
    told = [each["deliveries"] for each in answer.get("events", [answer])]
    assert sum(told) == Delivery.objects.filter(merchant=deciding.merchant, status="pending").count() - is_known


def test_many_at_once_of_both_kinds_each_get_their_own_answer(quick: PublishingWeb, deciding: NewMerchant) -> None:
    make_webhook(deciding.merchant, filter="data.n == `1`")
    got: dict[int, tuple[int, Any, str]] = {}

    def publish(number: int) -> None:
        headers = {"Authorization": f"Bearer {deciding.api_key}"} if number % 2 else {}
        body = {"event": "order.created", "data": {"n": number % 3}, "id": f"e-{number}"}
        got[number] = quick.post(body, **headers)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (status, _headers, text) in got.items():
        expected = int(number % 3 == 1) if number % 2 else 1
        assert (status, json.loads(text)["id"], json.loads(text)["deliveries"]) == (201, f"e-{number}", expected)
    assert len(got) == Event.objects.count() == 60
    assert quick.views == []


@pytest.mark.parametrize("first", [False, True])
def test_what_is_learned_meanwhile_neither_loses_a_request_nor_stores_it_twice(
    quick: PublishingWeb, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other threads note and forget who needs decisions at any time, also between two looks at one request."""
    looks = itertools.count(int(first))
    monkeypatch.setattr(publish_chunks, "is_decided", lambda *_: bool(next(looks) % 2))
    for number in range(1, 6):
        assert quick.post(ORDER)[0] == 201
        assert Event.objects.count() == number


@pytest.mark.parametrize("size", [1_000, 300_000])
def test_large_requests_are_decided_a_few_at_a_time(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[int] = []
    blocked = threading.Event()

    def decide(jobs: Any) -> list[Any]:
        blocked.wait(10)
        chunks.append(len(jobs))
        return []

    monkeypatch.setattr(publish_chunks, "decide", decide)
    thread = DecidingThread(lambda _outcomes: None)
    thread.offer([SimpleNamespace(request=SimpleNamespace(body=b"x" * size)) for _ in range(100)])  # type: ignore[misc]
    blocked.set()
    thread.stop(10)
    assert sum(chunks) == 100
    assert max(chunks) <= (50 if size == 1_000 else 2)


def test_a_merchant_without_rules_is_asked_first_again_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    readings.note_decided(7, "order.created")
    assert readings.is_decided(7, "order.created")
    assert not readings.is_decided(7, "order.paid")
    now = time.monotonic()
    monkeypatch.setattr(readings.time, "monotonic", lambda: now + 61)
    assert not readings.is_decided(7, "order.created")


def test_what_waits_for_a_decision_is_answered_before_the_server_ends(
    quick: PublishingWeb, deciding: NewMerchant
) -> None:
    make_webhook(deciding.merchant, fields=["order.id"])
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            held = pool.submit(quick.post, ORDER, Authorization=f"Bearer {deciding.api_key}")
            _wait_until_somebody_waits()
            ended = threading.Thread(target=lambda: [stop(10) for stop in quick.web.server.at_the_end])
            ended.start()
            time.sleep(0.2)
            assert ended.is_alive()
        assert held.result(10)[0] == 201
    ended.join(10)
    assert not ended.is_alive()
