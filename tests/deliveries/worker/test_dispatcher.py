from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.db import OperationalError

from deliveries.models import Attempt, Delivery
from deliveries.queueing import claims, redis_client, wakeups
from deliveries.queueing.claims import Batch
from deliveries.worker import claiming, dispatcher
from deliveries.worker.engine import Engine
from tests.support.dispatching import own_engine, until, work_and_close
from tests.support.engine import claim, due, due_one, expire, reread, widen
from tests.support.factories import make_webhook
from tests.support.hostile import Connection, HostileServer, answers, hangs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Give each test an engine of its own, whose dispatcher soon goes off duty, and finish what it has open."""
    yield from own_engine(monkeypatch)


def _statuses() -> set[str]:
    return set(Delivery.objects.values_list("status", flat=True))


def _calls(client: redis.Redis) -> int:
    return client.llen(wakeups.QUEUE)


def test_a_dispatcher_works_every_ready_webhook_to_its_end(empty_redis: redis.Redis) -> None:
    """Promise 2: a message names some webhooks; whatever else is ready is worked, too."""
    with HostileServer(answers()) as server:
        hooks = [make_webhook(url=server.url) for _ in range(3)]
        for webhook in hooks:
            due(webhook, 10)  # a new webhook's window has to grow on the way
        dispatcher.work([hooks[0].pk])
        assert len(server.requests) == 30
        assert len({request.headers["webhook-id"] for request in server.requests}) == 30
    until(lambda: _statuses() == {"delivered"})
    assert empty_redis.zcard("mw:dispatchers") == 0
    assert empty_redis.scard("mw:ready") == 0


def test_a_failure_leaves_a_retry_and_its_countdown_behind(empty_redis: redis.Redis) -> None:
    """Promise 3."""
    with HostileServer(answers("500 Oops")) as server:
        delivery = due_one(url=server.url, dialect="alva")
        empty_redis.delete(wakeups.QUEUE)
        dispatcher.work([delivery.webhook_id])
        until(lambda: _calls(empty_redis) == 1)
    assert reread(delivery).status == Delivery.Status.RETRYING
    assert Attempt.objects.get().status_code == 500
    assert b'"eta": "2' in empty_redis.lrange(wakeups.QUEUE, 0, 0)[0]


def test_where_a_dispatcher_is_on_duty_an_arrived_task_ends_at_once_and_rings(
    empty_redis: redis.Redis, parts: Engine
) -> None:
    assert parts.go_on_duty("one")
    delivery = due_one()
    empty_redis.delete("mw:bell")
    dispatcher.work([delivery.webhook_id])
    assert reread(delivery).status == Delivery.Status.PENDING
    assert empty_redis.smembers("mw:ready") == {str(delivery.webhook_id).encode()}
    assert empty_redis.llen("mw:bell") == 1
    parts.go_off_duty()


def test_a_dispatcher_on_duty_sends_what_is_published_without_another_task(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3: a lone event leaves within milliseconds, and steady traffic costs no Celery message."""
    monkeypatch.setattr(dispatcher, "IDLE", 2.0)
    with HostileServer(answers()) as server:
        webhook = make_webhook(url=server.url)
        thread = threading.Thread(target=work_and_close, args=([],))
        thread.start()
        until(lambda: empty_redis.zcard("mw:dispatchers") == 1)
        for _ in range(5):
            due_one(webhook)
            time.sleep(0.1)
        until(lambda: _statuses() == {"delivered"})
        assert _calls(empty_redis) == 0
        thread.join(20)
        assert not thread.is_alive(), "it goes off duty when nothing comes any more"
    assert empty_redis.zcard("mw:dispatchers") == 0
    [lateness] = [max(Attempt.objects.values_list("lateness_ms", flat=True))]
    assert lateness < 1000


def test_a_dispatcher_never_waits_for_a_single_slow_send(parts: Engine, settings: Any) -> None:
    """Promise 5."""
    settings.WEBHOOKS_SLOW_AFTER = 0.2
    with HostileServer(hangs) as slow, HostileServer(answers()) as fast:
        waiting = due_one(url=slow.url, timeout=6)
        quick = due_one(url=fast.url)
        dispatcher.work([waiting.webhook_id, quick.webhook_id])
        assert parts.sender.open == 1, "the slow one is still open when the dispatcher has gone off duty"
        assert reread(quick).status == Delivery.Status.DELIVERED
        assert reread(waiting).status == Delivery.Status.SENDING
        assert parts.sender.drain(20)


def test_a_webhook_never_has_more_requests_open_than_its_cap() -> None:
    """Promise 5."""
    open_now, most, lock = [0], [0], threading.Lock()

    def counting(connection: Connection) -> None:
        while True:
            connection.read_request()
            with lock:
                open_now[0] += 1
                most[0] = max(most[0], open_now[0])
            time.sleep(0.02)
            with lock:
                open_now[0] -= 1
            connection.answer()

    with HostileServer(counting) as server:
        webhook = make_webhook(url=server.url, max_in_flight=3)
        widen(webhook)
        due(webhook, 20)
        dispatcher.work([webhook.pk])
        until(lambda: _statuses() == {"delivered"})
    assert 1 < most[0] <= 3


def test_webhooks_whose_lock_is_held_and_those_with_more_are_given_back(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [Batch(busy=[2]), Batch(full=True), Batch(), Batch(), Batch()]
    asked: list[list[int]] = []

    def claim_nothing(webhook_ids: list[int], **_bounds: int) -> Batch:
        asked.append(sorted(webhook_ids))
        return batches.pop(0)

    monkeypatch.setattr(claims, "claim", claim_nothing)
    dispatcher.work([1, 2])
    assert asked == [[1, 2], [2], [2]]
    assert empty_redis.scard("mw:ready") == 0


def test_webhooks_are_given_back_when_the_database_fails(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "DATABASE_REST", 0.01)
    real, failures = claims.claim, [OperationalError("gone"), OperationalError("gone")]

    def claim_after_an_outage(*words: Any, **bounds: Any) -> Batch:
        if failures:
            raise failures.pop()
        return real(*words, **bounds)

    monkeypatch.setattr(claims, "claim", claim_after_an_outage)
    with HostileServer(answers()) as server:
        delivery = due_one(url=server.url)
        dispatcher.work([delivery.webhook_id])
        until(lambda: reread(delivery).status == Delivery.Status.DELIVERED)


def test_without_redis_a_dispatcher_ends_quietly(settings: Any) -> None:
    """Promise 2: the sweep wakes its webhooks when Redis is back."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    try:
        dispatcher.work([1])
    finally:
        redis_client.breaker.close()


def test_a_stopping_process_hands_a_wake_up_on(empty_redis: redis.Redis, parts: Engine) -> None:
    delivery = due_one()
    empty_redis.flushdb()
    parts.begin_stop()
    dispatcher.work([delivery.webhook_id])
    assert reread(delivery).status == Delivery.Status.PENDING
    assert empty_redis.smembers("mw:ready") == {str(delivery.webhook_id).encode()}
    assert _calls(empty_redis) == 1


def test_what_has_not_left_when_the_process_stops_is_released_unsent(empty_redis: redis.Redis, parts: Engine) -> None:
    """Promise 4: a row that was never sent is not logged as perhaps sent."""
    delivery = due_one()
    [row] = claim(delivery.webhook).rows
    empty_redis.flushdb()
    parts.begin_stop()
    parts.sender.submit([row])
    assert parts.sender.drain(20)
    stored = reread(delivery)
    assert (stored.status, stored.claim_token, stored.attempt_count) == (Delivery.Status.PENDING, None, 0)
    assert empty_redis.smembers("mw:ready") == {str(delivery.webhook_id).encode()}


def test_at_the_end_of_its_slice_a_dispatcher_calls_a_successor(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "SLICE", -1.0)
    dispatcher.work([1, 2, 3])
    assert empty_redis.scard("mw:ready") == 3
    assert _calls(empty_redis) == 1
    assert empty_redis.zcard("mw:dispatchers") == 0


def test_a_dispatcher_that_leaves_calls_a_successor_only_if_there_is_more_to_do(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "claim", lambda *_words, **_bounds: Batch())
    dispatcher.work([1, 2, 3])
    assert _calls(empty_redis) == 0


def test_nothing_is_claimed_while_outcomes_cannot_be_recorded(parts: Engine) -> None:
    """Promise 4: duplicates after a kill are at most what was in flight or not yet recorded."""
    assert claiming.room(parts)[0] > 0
    parts.recorder.blocked = True
    assert claiming.room(parts) == (0, 0)
    parts.recorder.blocked = False


def test_bodies_that_are_loaded_leave_less_room_for_claims(parts: Engine, settings: Any) -> None:
    """Promise 6: at most 4 MiB at a time, 64 MiB a process."""
    assert claiming.room(parts)[1] == settings.WEBHOOKS_CLAIM_BYTES == 4 * 1024**2
    parts.sender.loaded_bytes = settings.WEBHOOKS_LOADED_BYTES - 3 * 1024**2
    assert claiming.room(parts)[1] == 3 * 1024**2
    parts.sender.loaded_bytes = settings.WEBHOOKS_LOADED_BYTES - 1024**2
    assert claiming.room(parts) == (0, 0)
    parts.sender.loaded_bytes = 0


def test_deliveries_whose_worker_died_twice_go_one_at_a_time() -> None:
    """Promise 4: a payload that kills workers takes no companions along to review (docs/adr/0006)."""
    rows = [
        SimpleNamespace(
            delivery_id=pk, orphaned_attempts=count, is_poison_candidate=count >= claims.POISON_CANDIDATE_AFTER
        )
        for pk, count in enumerate((0, 2, 1, 2))
    ]
    idle = SimpleNamespace(sender=SimpleNamespace(has_poison_candidate=lambda: False))
    busy = SimpleNamespace(sender=SimpleNamespace(has_poison_candidate=lambda: True))
    sent, held = claiming._one_poison_candidate(idle, rows)  # type: ignore[arg-type]
    assert sent == [rows[0], rows[2], rows[1]]
    assert held == [rows[3]]
    sent, held = claiming._one_poison_candidate(busy, rows)  # type: ignore[arg-type]
    assert sent == [rows[0], rows[2]]
    assert held == [rows[1], rows[3]]


def test_two_poison_candidates_are_both_delivered_one_after_the_other() -> None:
    """Promise 4."""
    with HostileServer(answers()) as server:
        webhook = make_webhook(url=server.url)
        widen(webhook)
        candidates = due(webhook, 2)
        for _ in range(2):
            claim(webhook)
            expire(*candidates)
        dispatcher.work([webhook.pk])
        until(lambda: "sending" not in _statuses())
        time.sleep(0.1)
        dispatcher.work([webhook.pk])  # as the countdown wake-up would
        until(lambda: _statuses() == {"delivered"})
    assert len(server.requests) == 2
