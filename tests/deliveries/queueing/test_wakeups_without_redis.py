"""Wake-ups while Redis or the broker is away: nobody who publishes hears of it."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from kombu.pools import producers

from deliveries.queueing import broker, redis_client, wakeups


@pytest.fixture
def no_redis(settings: Any) -> None:
    """Let the clients meet a closed port."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def test_without_redis_wake_ups_are_dropped_quietly_and_skipped_for_a_while(no_redis: None) -> None:
    """Promise 1: publish() never raises for Redis; the sweep finds the webhooks."""
    wakeups.wake([1])
    assert redis_client.breaker.is_open
    wakeups.wake_later([1], 5)
    wakeups.give_back([1])
    assert wakeups.leave("one") is False
    assert wakeups.lead(1) is False
    assert wakeups.state() is None


def test_a_dispatcher_is_told_that_redis_is_away(no_redis: None) -> None:
    with pytest.raises(redis.RedisError):
        wakeups.arrive("one", [1])
    with pytest.raises(redis.RedisError):
        wakeups.take("one", 1)
    with pytest.raises(redis.RedisError):
        wakeups.wait_for_bell(0.1)


def test_while_the_breaker_is_open_nothing_is_asked(empty_redis: redis.Redis) -> None:
    redis_client.breaker.open(redis.ConnectionError("gone"))
    wakeups.wake([1])
    assert empty_redis.keys("*") == []


def test_the_breaker_closes_as_soon_as_redis_answers_again(empty_redis: redis.Redis) -> None:
    redis_client.breaker.open(redis.ConnectionError("gone"))
    wakeups.try_again()
    assert not redis_client.breaker.is_open


def test_a_wake_up_does_not_raise_when_every_producer_is_taken(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 1: with the broker stalled, more threads than kombu has producers."""
    monkeypatch.setattr(broker, "TIMEOUT", 0.01)
    pool = producers[broker._connection()]
    held = [pool.acquire(block=True) for _ in range(pool.limit)]
    try:
        wakeups.wake([1, 2, 3])
        assert redis_client.broker_breaker.is_open
        assert not redis_client.breaker.is_open  # the ready set goes on
        assert empty_redis.smembers("mw:ready") == {b"1", b"2", b"3"}
    finally:
        for producer in held:
            producer.release()
