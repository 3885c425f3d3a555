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
    readings._dear.clear()
    yield
    readings._decided.clear()
    readings._costly.clear()
    readings._dear.clear()


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


class Chunks:
    """What a thread stores at a time, with nothing behind it; it begins once all has been offered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stored: list[list[tuple[int, int]]] = []
        self._begin = threading.Event()
        monkeypatch.setattr(publish_chunks, "decide", self._decide)

    def _decide(self, jobs: Any) -> list[Any]:
        assert self._begin.wait(10)
        self.stored.append([(job.checked.merchant_id, job.number) for job in jobs])
        return []

    def of(self, jobs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Return the chunks of requests given as merchant and size; a request's number is its place."""
        thread = DecidingThread(lambda _outcomes: None)
        thread.offer(
            [
                SimpleNamespace(
                    request=SimpleNamespace(body=b"x" * size),
                    checked=SimpleNamespace(merchant_id=merchant),
                    number=place,
                )  # type: ignore[misc]
                for place, (merchant, size) in enumerate(jobs)
            ]
        )
        self._begin.set()
        thread.stop(10)
        return self.stored


@pytest.mark.parametrize(("size", "most"), [(1_000, 50), (60_000, 9), (300_000, 2), (900_000, 1)])
def test_large_requests_are_decided_a_few_at_a_time(size: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = Chunks(monkeypatch).of([(number % 20, size) for number in range(100)])
    assert sum(map(len, chunks)) == 100
    assert max(map(len, chunks)) == most


@pytest.mark.parametrize("others", [1, 3, 10])
def test_merchants_take_turns_however_many_requests_one_of_them_sends(
    others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [(0, 100)] * 300 + [(merchant, 100) for merchant in range(1, others + 1)]
    chunks = Chunks(monkeypatch).of(sent)
    # The first may have been taken before the others came.
    assert {merchant for chunk in chunks[:2] for merchant, _place in chunk} == set(range(others + 1))
    assert all(sum(merchant == 0 for merchant, _ in chunk) <= 10 for chunk in chunks)
    in_order = [place for chunk in chunks for merchant, place in chunk if merchant == 0]
    assert in_order == sorted(in_order) == list(range(300))


@pytest.mark.parametrize("busy", [4, 8, 20])
def test_merchants_that_all_send_much_all_get_their_turn(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With five of them busy, a transaction was full of these, time and again, and nobody else's turn came."""
    chunks = Chunks(monkeypatch).of([(merchant, 100) for _ in range(40) for merchant in range(busy)])
    rounds = 1 + -(-busy // 5)  # the first may have been taken before the others came
    assert {merchant for chunk in chunks[:rounds] for merchant, _place in chunk} == set(range(busy))
    assert sum(map(len, chunks)) == 40 * busy


NUMBERS = {"data": {str(number * 7919 % 1000003): 1 for number in range(5000)}, "event": "order.created"}
NESTED = {
    "data": {"lines": [{"n": number / 7, "tags": ["a", "b"]} for number in range(3000)]},
    "event": "order.created",
}


@pytest.mark.parametrize("body", [NUMBERS, NESTED, {**NUMBERS, "event": "nope"}], ids=["members", "nested", "refused"])
@pytest.mark.parametrize("path", [PATH, BATCH])
def test_who_sends_what_takes_long_to_read_is_left_to_its_view(
    quick: PublishingWeb, deciding: NewMerchant, path: str, body: dict[str, Any]
) -> None:
    as_deciding = {"Authorization": f"Bearer {deciding.api_key}"}
    for _ in range(60):
        quick.post(body if path == PATH else {"events": [body]}, path, **as_deciding)
        if readings.is_costly(deciding.merchant.pk):
            break
    assert readings.is_costly(deciding.merchant.pk)
    assert not readings.is_costly(quick.shop.merchant.pk)
    quick.views.clear()
    assert quick.post(ORDER, **as_deciding)[0] == 201
    assert quick.views == [PATH]
    assert quick.post(ORDER)[0] == 201
    assert quick.views == [PATH]


@pytest.mark.parametrize("size", [1, 100, 300])
def test_who_sends_usual_events_stays_whatever_their_number(quick: PublishingWeb, size: int) -> None:
    for _ in range(40):
        assert quick.post({"events": [ORDER] * size}, BATCH)[0] == 201
    assert not readings.is_costly(quick.shop.merchant.pk)


def test_many_decisions_about_one_event_count_against_its_merchant() -> None:
    for _ in range(20):
        readings.note_decided(7, "order.created", 10)
        readings.note_decided(8, "order.created", 40)
    assert not readings.is_costly(7)
    assert readings.is_costly(8)


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
