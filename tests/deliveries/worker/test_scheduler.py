from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.db import OperationalError

from deliveries.models import Delivery
from deliveries.queueing import claims, redis_client, wakeups
from deliveries.review import manual_actions
from deliveries.worker import scheduler
from deliveries.worker.engine import _made, engine
from deliveries.worker.scheduler import Scheduler, sweep
from subscriptions import services
from tests.support.engine import claim_one, due_one, expire, reread, shift_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def beating() -> Iterator[Callable[[], Scheduler]]:
    """Start schedulers that end with the test."""
    _made.cache_clear()
    started: list[Scheduler] = []

    def start(*, works: bool = True) -> Scheduler:
        thread = Scheduler(works=works)
        started.append(thread)
        thread.start()
        return thread

    yield start
    for thread in started:
        thread.stop()
        thread.join(20)
        assert not thread.is_alive()
    _made.cache_clear()


def _until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _ready(client: redis.Redis) -> set[int]:
    return {int(pk) for pk in client.smembers("mw:ready")}


def test_a_sweep_wakes_every_webhook_with_something_due_and_no_other(empty_redis: redis.Redis) -> None:
    """Promise 2: the database is the truth; a flushed Redis costs time only."""
    first, second, later = due_one(), due_one(), due_one()
    shift_due(later, 60)
    empty_redis.flushdb()
    assert sweep() == 2
    assert _ready(empty_redis) == {first.webhook_id, second.webhook_id}
    assert empty_redis.llen(wakeups.QUEUE) == 2


def test_sweeping_twice_is_harmless(empty_redis: redis.Redis) -> None:
    due_one()
    for _ in range(5):
        sweep()
    assert len(_ready(empty_redis)) == 1
    assert empty_redis.llen(wakeups.QUEUE) <= 2


def test_a_sweep_finds_claims_whose_worker_died(empty_redis: redis.Redis) -> None:
    """Promise 4."""
    delivery = due_one()
    claim_one(delivery)
    assert sweep() == 0
    expire(delivery)
    assert sweep() == 1


def test_a_sweep_passes_by_what_is_paused(empty_redis: redis.Redis) -> None:
    delivery = due_one()
    services.pause(webhook=delivery.webhook, by="test")
    assert sweep() == 0


def test_a_sweep_walks_all_webhooks_however_many_are_due(empty_redis: redis.Redis) -> None:
    deliveries = [due_one() for _ in range(30)]
    empty_redis.flushdb()
    assert sweep() == 30
    assert _ready(empty_redis) == {delivery.webhook_id for delivery in deliveries}


def test_a_scheduler_finds_a_webhook_whose_wake_up_was_lost(
    empty_redis: redis.Redis, beating: Callable[..., Scheduler]
) -> None:
    """Promises 2 and 3: within a few seconds."""
    delivery = due_one()
    empty_redis.flushdb()
    beating()
    _until(lambda: _ready(empty_redis) == {delivery.webhook_id})
    empty_redis.flushdb()  # and again, not only when it starts
    _until(lambda: _ready(empty_redis) == {delivery.webhook_id})


def test_a_scheduler_lets_the_worker_and_its_dispatcher_count(
    empty_redis: redis.Redis, beating: Callable[..., Scheduler]
) -> None:
    beating()
    wakeups.arrive("mine", [])
    assert engine().go_on_duty("mine")
    first = empty_redis.zscore("mw:dispatchers", "mine")
    _until(lambda: (empty_redis.zscore("mw:dispatchers", "mine") or 0) > first)
    assert empty_redis.zscore("mw:workers", wakeups.WORKER_ID)


def test_a_process_that_does_not_work_the_queue_counts_as_no_worker(
    empty_redis: redis.Redis, beating: Callable[..., Scheduler]
) -> None:
    beating(works=False)
    time.sleep(scheduler.HEARTBEAT_INTERVAL * 3)
    assert not empty_redis.zscore("mw:workers", wakeups.WORKER_ID)


def test_a_stopping_worker_counts_no_more(empty_redis: redis.Redis, beating: Callable[..., Scheduler]) -> None:
    engine().begin_stop()
    beating()
    time.sleep(scheduler.HEARTBEAT_INTERVAL * 3)
    assert not empty_redis.zscore("mw:workers", wakeups.WORKER_ID)


def test_only_the_leader_sweeps(empty_redis: redis.Redis, beating: Callable[..., Scheduler]) -> None:
    due_one()
    empty_redis.flushdb()
    empty_redis.set("mw:leader", "another", px=2500)
    beating()
    time.sleep(1.2)
    assert _ready(empty_redis) == set()
    _until(lambda: _ready(empty_redis))  # the other one was not heard of again


def test_leases_and_heartbeats_keep_lateness_after_a_crash_under_three_seconds() -> None:
    """Promise 3: the dead one's lease ends, the next one leads, and dead dispatchers have stopped counting by then."""
    assert scheduler.LEASE + scheduler.SWEEP_INTERVAL + scheduler.HEARTBEAT_INTERVAL <= 3.0
    assert (wakeups.STALE_MS + wakeups.CALL_LIFE_MS) / 2000 + scheduler.SWEEP_INTERVAL <= 3.0
    assert wakeups.STALE_MS / 1000 >= 2.9 * scheduler.HEARTBEAT_INTERVAL, "one late heartbeat doesn't end a dispatcher"


def test_a_scheduler_survives_the_database_and_redis_failing(
    empty_redis: redis.Redis, beating: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 2."""
    delivery = due_one()
    empty_redis.flushdb()
    real, failures = claims.due_webhooks, [OperationalError("gone"), RuntimeError("odd")]

    def due_webhooks() -> tuple[list[int], list[int]]:
        if failures:
            raise failures.pop(0)
        return real()

    monkeypatch.setattr(claims, "due_webhooks", due_webhooks)
    beating()
    _until(lambda: _ready(empty_redis) == {delivery.webhook_id})
    assert not failures


def test_while_redis_is_away_a_sweep_still_closes_what_nobody_may_send(empty_redis: redis.Redis) -> None:
    delivery = due_one()
    claim_one(delivery)
    services.delete_webhook(webhook=delivery.webhook)
    expire(delivery)
    redis_client.breaker.open(redis.ConnectionError("gone"))
    try:
        sweep()
    finally:
        redis_client.breaker.close()
    assert reread(delivery).status == Delivery.Status.CANCELLED


def test_a_claim_that_ran_out_at_a_paused_webhook_is_taken_back() -> None:
    """Nobody claims there; as long as it seems to be sent, nobody can cancel it."""
    delivery = due_one()
    claim_one(delivery)
    services.pause(webhook=delivery.webhook, by="ada")
    sweep()
    assert reread(delivery).status == "sending", "its claim is in force"
    expire(delivery)
    sweep()
    assert (reread(delivery).status, reread(delivery).orphaned_attempts) == ("retrying", 1)
    assert manual_actions.cancel(delivery=reread(delivery), by="ada").status == "cancelled"
