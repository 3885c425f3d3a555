from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis
from kombu.pools import producers

from deliveries import keys, lanes


@pytest.fixture(autouse=True)
def whole_fuse() -> Any:
    """Start with a whole fuse and leave none blown."""
    keys.fuse.mend()
    keys.broker_fuse.mend()
    yield
    keys.fuse.mend()
    keys.broker_fuse.mend()


def _messages(client: redis.Redis, queue: str = lanes.FAST) -> list[list[int]]:
    """Return the webhook ids of each message in a queue, oldest first."""
    import base64

    found = []
    for raw in reversed(client.lrange(queue, 0, -1)):
        [args, _kwargs, _embed] = json.loads(base64.b64decode(json.loads(raw)["body"]))
        found.append(args[0])
    return found


def _ready(client: redis.Redis, queue: str = lanes.FAST) -> set[int]:
    return {int(lane) for lane in client.smembers(f"mw:{queue}:ready")}


def test_a_lone_wake_marks_its_lane_and_enqueues_one_message_that_names_it(empty_redis: redis.Redis) -> None:
    """Promise 2: a message carries webhook ids and nothing else."""
    lanes.wake([7])
    assert _ready(empty_redis) == {7}
    assert _messages(empty_redis) == [[7]]


def test_while_there_is_room_each_lane_gets_a_message_of_its_own(empty_redis: redis.Redis) -> None:
    lanes.wake([1, 2, 2, 1])
    assert sorted(_messages(empty_redis)) == [[1], [2]]


def test_hints_coalesce_once_enough_shifts_are_called(empty_redis: redis.Redis) -> None:
    for lane in range(1, 51):
        lanes.wake([lane])
    assert _ready(empty_redis) == set(range(1, 51))
    assert len(_messages(empty_redis)) == 2  # WEBHOOKS_SHIFTS_PER_WORKER, and at least one worker is assumed


def test_more_workers_make_room_for_more_shifts(empty_redis: redis.Redis) -> None:
    now = int(time.time() * 1000)
    empty_redis.zadd("mw:deliveries:workers", {"a:1": now, "b:2": now, "dead:3": now - 60_000})
    lanes.wake(range(1, 11))
    messages = _messages(empty_redis)
    assert len(messages) == 4
    assert sorted(lane for message in messages for lane in message) == list(range(1, 11))


def test_no_ids_wake_nobody(empty_redis: redis.Redis) -> None:
    lanes.wake([])
    assert empty_redis.keys("*") == []


def test_a_thousand_times_ten_lanes_fit_in_one_wake(empty_redis: redis.Redis) -> None:
    lanes.wake(range(10_000))
    assert empty_redis.scard("mw:deliveries:ready") == 10_000


def test_a_shift_takes_each_ready_lane_once() -> None:
    assert lanes.begin("one", [1, 2, 3], slow=False)
    first = lanes.take("one", 2, slow=False)
    second = lanes.take("one", 2, slow=False)
    assert (len(first.lanes), first.left) == (2, 1)
    assert sorted(first.lanes + second.lanes) == [1, 2, 3]
    assert lanes.take("one", 2, slow=False).lanes == []


def test_an_arrived_wake_up_answers_its_call_and_begins_a_shift(empty_redis: redis.Redis) -> None:
    lanes.wake([7])
    assert empty_redis.zcard("mw:deliveries:called") == 1
    assert lanes.begin("one", [7], slow=False)
    assert empty_redis.zcard("mw:deliveries:called") == 0
    assert empty_redis.zcard("mw:deliveries:shifts") == 1


def test_a_wake_up_that_finds_enough_shifts_on_leaves_its_lanes_to_them() -> None:
    assert lanes.begin("one", [], slow=False)
    assert lanes.begin("two", [], slow=False)
    assert not lanes.begin("three", [7], slow=False)
    assert lanes.take("one", 10, slow=False).lanes == [7]


def test_a_shift_that_ends_sees_what_became_ready_while_it_was_on(empty_redis: redis.Redis) -> None:
    """Promise 3: the wake saw the shifts and enqueued nothing; the shift looks once more (docs/adr/0002)."""
    lanes.begin("one", [], slow=False)
    lanes.begin("two", [], slow=False)
    lanes.wake([7])
    assert _messages(empty_redis) == []
    assert lanes.end("one", slow=False) is True
    assert lanes.begin("one", [], slow=False)
    assert lanes.take("one", 10, slow=False).lanes == [7]
    assert lanes.end("one", slow=False) is False


def test_a_shift_that_was_not_heard_of_for_long_does_not_count(empty_redis: redis.Redis) -> None:
    """Promise 3: a dead shift silences wakes for no longer than STALE_MS."""
    for shift in ("one", "two"):
        lanes.begin(shift, [], slow=False)
    lanes.wake([7])
    assert _messages(empty_redis) == []
    past = int(time.time() * 1000) - lanes.STALE_MS - 100
    empty_redis.zadd("mw:deliveries:shifts", {"one": past, "two": past})
    lanes.wake([7])
    assert len(_messages(empty_redis)) == 1


def test_a_call_that_nobody_answers_does_not_count_for_ever(empty_redis: redis.Redis) -> None:
    lanes.wake([1, 2])
    empty_redis.delete("deliveries")  # the messages are lost
    lanes.wake([3])
    assert _messages(empty_redis) == []
    for call in empty_redis.zrange("mw:deliveries:called", 0, -1):
        empty_redis.zincrby("mw:deliveries:called", -lanes.CALL_LIFE_MS - 100, call)
    lanes.wake([3])
    assert _messages(empty_redis) == [[3]]


def test_a_heartbeat_keeps_a_shift_counted_but_does_not_revive_one_that_ended(empty_redis: redis.Redis) -> None:
    lanes.begin("one", [], slow=False)
    empty_redis.zadd("mw:deliveries:shifts", {"one": 5})
    lanes.beat(lanes.FAST, shift_ids=["one", "ended"], worker=True)
    assert empty_redis.zscore("mw:deliveries:shifts", "one") > 5
    assert empty_redis.zscore("mw:deliveries:shifts", "ended") is None
    assert empty_redis.zscore("mw:deliveries:workers", lanes.WORKER_ID) is not None


def test_given_back_lanes_are_ready_again() -> None:
    lanes.begin("one", [1, 2], slow=False)
    taken = lanes.take("one", 10, slow=False)
    lanes.give_back(taken.lanes, slow=False)
    assert sorted(lanes.take("one", 10, slow=False).lanes) == [1, 2]


def test_another_shift_is_called_only_while_there_is_room(empty_redis: redis.Redis) -> None:
    lanes.begin("one", [], slow=False)
    lanes.call_another(slow=False)
    assert _messages(empty_redis) == [[]]
    lanes.call_another(slow=False)
    assert _messages(empty_redis) == [[]]


# --- slow lanes -------------------------------------------------------------------------------------------------------


def test_slow_lanes_are_left_to_the_slow_workers_where_there_are_any(empty_redis: redis.Redis) -> None:
    """Promise 5."""
    lanes.beat(lanes.SLOW, worker=True)
    lanes.mark_slow([2])
    lanes.begin("one", [1, 2, 3], slow=False)
    taken = lanes.take("one", 10, slow=False)
    assert (sorted(taken.lanes), taken.diverted) == ([1, 3], 1)
    assert _ready(empty_redis, lanes.SLOW) == {2}
    lanes.call_another(slow=True)
    assert _messages(empty_redis, lanes.SLOW) == [[]]
    lanes.begin("slow", [], slow=True)
    assert lanes.take("slow", 10, slow=True).lanes == [2]


def test_without_slow_workers_slow_lanes_are_worked_with_the_others() -> None:
    lanes.mark_slow([2])
    lanes.begin("one", [1, 2], slow=False)
    assert sorted(lanes.take("one", 10, slow=False).lanes) == [1, 2]


def test_a_lane_is_slow_only_for_a_while(empty_redis: redis.Redis) -> None:
    lanes.beat(lanes.SLOW, worker=True)
    lanes.mark_slow([2])
    empty_redis.zadd("mw:slow", {"2": int(time.time() * 1000) - 1})
    lanes.begin("one", [2], slow=False)
    assert lanes.take("one", 10, slow=False).lanes == [2]


# --- countdowns and the office of the pacemaker -----------------------------------------------------------------------


def test_a_countdown_wake_up_names_its_lanes_and_its_time(empty_redis: redis.Redis) -> None:
    """Promise 3: the delay and a cushion, so that a clock slightly ahead finds the row due."""
    before = time.time()
    lanes.wake_later([7, 8, 7], 5)
    assert _messages(empty_redis) == [[7, 8]]
    assert _ready(empty_redis) == set()
    from datetime import datetime

    [raw] = empty_redis.lrange("deliveries", 0, -1)
    eta = datetime.fromisoformat(json.loads(raw)["headers"]["eta"]).timestamp()
    assert before + 5.05 <= eta < before + 5.05 + 5


def test_one_process_at_a_time_is_the_pacemaker(empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lanes.elect(30)
    assert lanes.elect(30), "whoever holds the office keeps it"
    monkeypatch.setattr(lanes, "WORKER_ID", "another")
    assert not lanes.elect(30)
    empty_redis.delete("mw:pacemaker")  # it was not renewed
    assert lanes.elect(30)


# --- Redis away -------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_redis(settings: Any) -> Any:
    """Let the keys client meet a closed port."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for cached in (keys.client, lanes._script):
        cached.cache_clear()
    yield
    for cached in (keys.client, lanes._script):
        cached.cache_clear()


def test_without_redis_hints_are_dropped_quietly_and_skipped_for_a_while(no_redis: None) -> None:
    """Promise 1: publish() never raises for Redis; the sweep finds the lanes."""
    lanes.wake([1])
    assert keys.fuse.blown
    lanes.wake_later([1], 5)
    lanes.give_back([1], slow=False)
    assert lanes.end("one", slow=False) is False
    assert lanes.elect(1) is False


def test_a_shift_is_told_that_redis_is_away(no_redis: None) -> None:
    with pytest.raises(redis.RedisError):
        lanes.begin("one", [1], slow=False)
    with pytest.raises(redis.RedisError):
        lanes.take("one", 1, slow=False)


def test_while_the_fuse_is_blown_nothing_is_asked(empty_redis: redis.Redis) -> None:
    keys.fuse.blow(redis.ConnectionError("gone"))
    lanes.wake([1])
    assert empty_redis.keys("*") == []


def test_a_wake_does_not_raise_when_every_producer_is_taken(
    empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 1: with the broker stalled, more threads than kombu has producers."""
    monkeypatch.setattr(lanes, "PUBLISH_TIMEOUT", 0.01)
    pool = producers[lanes._broker()]
    held = [pool.acquire(block=True) for _ in range(pool.limit)]
    try:
        lanes.wake([1, 2, 3])
        assert keys.broker_fuse.blown
        assert not keys.fuse.blown  # hints on the blackboard go on
        assert empty_redis.smembers(keys.name("deliveries:ready")) == {b"1", b"2", b"3"}
    finally:
        for producer in held:
            producer.release()
