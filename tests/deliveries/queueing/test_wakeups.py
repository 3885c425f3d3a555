from __future__ import annotations

import base64
import json
import threading
import time
from datetime import datetime

import pytest
import redis

from deliveries.queueing import wakeups


def _messages(client: redis.Redis) -> list[list[int]]:
    """Return the webhook ids of each message in the queue, oldest first."""
    found = []
    for raw in reversed(client.lrange(wakeups.QUEUE, 0, -1)):
        [args, _kwargs, _embed] = json.loads(base64.b64decode(json.loads(raw)["body"]))
        found.append(args[0])
    return found


def _ready(client: redis.Redis) -> set[int]:
    return {int(pk) for pk in client.smembers("mw:ready")}


def test_with_no_dispatcher_on_duty_each_webhook_gets_a_task_that_names_it(empty_redis: redis.Redis) -> None:
    """Promise 2: a message carries webhook ids and nothing else. The client's sentence: a task per matching webhook."""
    wakeups.wake([7])
    wakeups.wake([1, 2, 2, 1])
    assert _ready(empty_redis) == {1, 2, 7}
    assert sorted(_messages(empty_redis)) == [[1], [2], [7]]


def test_a_webhook_that_is_ready_already_gets_no_second_task(empty_redis: redis.Redis) -> None:
    for _ in range(50):
        wakeups.wake([7])
    assert _messages(empty_redis) == [[7]]


def test_very_many_webhooks_share_a_bounded_number_of_tasks(empty_redis: redis.Redis) -> None:
    wakeups.wake(range(1000))
    messages = _messages(empty_redis)
    assert len(messages) == wakeups.TASKS_MAX
    assert sorted(pk for message in messages for pk in message) == list(range(1000))


@pytest.mark.parametrize("at_once", [1, 7, 40, 100, 1000])
def test_a_backlog_published_bit_by_bit_enqueues_a_bounded_number_of_tasks(
    at_once: int, empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "CALL_LIFE_MS", 60_000)
    for first in range(0, 1000, at_once):
        wakeups.wake(range(first, min(first + at_once, 1000)))
    assert len(_messages(empty_redis)) == wakeups.TASKS_MAX
    assert _ready(empty_redis) == set(range(1000)), "whoever comes takes them all"


def test_tasks_that_arrive_make_room_for_others(empty_redis: redis.Redis) -> None:
    wakeups.wake(range(1000))
    for _ in range(30):
        wakeups.arrive("one", [])
    wakeups.leave("one")
    wakeups.wake(range(2000, 3000))
    assert len(_messages(empty_redis)) == wakeups.TASKS_MAX + 30


def test_a_dispatcher_on_duty_is_rung_for_and_no_task_is_enqueued(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [])
    for pk in range(1, 51):
        wakeups.wake([pk])
    assert _messages(empty_redis) == []
    assert 1 <= empty_redis.llen("mw:bell") <= 8
    assert wakeups.take("one", 100).webhooks
    assert empty_redis.llen("mw:bell") == 0, "nothing is ready any more, so nobody is to be woken for it"


def test_no_ids_wake_nobody(empty_redis: redis.Redis) -> None:
    wakeups.wake([])
    assert empty_redis.keys("*") == []


def test_ten_thousand_webhooks_fit_in_one_wake_up(empty_redis: redis.Redis) -> None:
    wakeups.wake(range(10_000))
    assert empty_redis.scard("mw:ready") == 10_000


def test_a_dispatcher_takes_each_ready_webhook_once() -> None:
    wakeups.arrive("one", [1, 2, 3])
    first = wakeups.take("one", 2)
    second = wakeups.take("one", 2)
    assert (len(first.webhooks), first.left) == (2, 1)
    assert sorted(first.webhooks + second.webhooks) == [1, 2, 3]
    assert wakeups.take("one", 2).webhooks == []


def test_an_arrived_task_answers_its_call_and_brings_its_dispatcher_on_duty(empty_redis: redis.Redis) -> None:
    wakeups.wake([7])
    assert empty_redis.zcard("mw:called") == 1
    wakeups.arrive("one", [7])
    assert empty_redis.zcard("mw:called") == 0
    assert empty_redis.zcard("mw:dispatchers") == 1


@pytest.mark.parametrize("named", [[7], []])
def test_a_task_that_arrives_where_a_dispatcher_is_on_duty_rings_for_what_is_ready(
    empty_redis: redis.Redis, named: list[int]
) -> None:
    """Promise 3: a successor's message names nothing, and another dispatcher may be waiting (tests/protocol_model)."""
    wakeups.arrive("one", [])
    empty_redis.sadd("mw:ready", 5)
    wakeups.arrive(None, named)
    assert empty_redis.llen("mw:bell") == 1
    assert wakeups.take("one", 10).webhooks == sorted({5, *named})


def test_a_ring_ends_the_wait_at_once_and_without_one_it_ends_by_itself() -> None:
    wakeups.arrive("one", [])
    began = time.monotonic()
    threading.Timer(0.1, wakeups.wake, [[7]]).start()
    wakeups.wait_for_bell(1.0)
    assert time.monotonic() - began < 0.9
    wakeups.take("one", 10)
    began = time.monotonic()
    wakeups.wait_for_bell(0.2)
    assert 0.1 < time.monotonic() - began < 0.9


def test_a_dispatcher_that_leaves_sees_what_became_ready_while_it_was_on_duty(empty_redis: redis.Redis) -> None:
    """Promise 3: the wake-up saw it on duty and enqueued nothing; it looks once more (docs/adr/0021)."""
    wakeups.arrive("one", [])
    wakeups.wake([7])
    assert _messages(empty_redis) == []
    assert wakeups.leave("one") is True
    wakeups.arrive("one", [])
    assert wakeups.take("one", 10).webhooks == [7]
    assert wakeups.leave("one") is False


def test_a_dispatcher_without_a_recent_heartbeat_does_not_count(empty_redis: redis.Redis) -> None:
    """Promise 3: a dead dispatcher silences wake-ups for no longer than STALE_MS."""
    wakeups.arrive("one", [])
    wakeups.wake([7])
    assert _messages(empty_redis) == []
    empty_redis.zadd("mw:dispatchers", {"one": int(time.time() * 1000) - wakeups.STALE_MS - 100})
    wakeups.wake([7])
    assert _messages(empty_redis) == [[7]], "ready already, but no task is on its way"


def _let_calls_age(server: redis.Redis, milliseconds: int) -> None:
    for call in server.zrange("mw:called", 0, -1):
        server.zincrby("mw:called", -milliseconds, call)


def test_a_call_that_nobody_answers_does_not_count_for_ever(empty_redis: redis.Redis) -> None:
    wakeups.heartbeat(worker=True)
    wakeups.wake([1, 2])
    empty_redis.delete(wakeups.QUEUE)  # the messages are lost
    wakeups.wake([1])
    assert _messages(empty_redis) == []
    _let_calls_age(empty_redis, wakeups.CALL_LIFE_MS + 100)
    wakeups.wake([1])
    assert _messages(empty_redis) == [[1]]


def test_while_no_worker_lives_a_minute_leaves_no_more_tasks_than_a_moment(empty_redis: redis.Redis) -> None:
    """A backlog of hours is thousands of wake-ups; each task costs the worker that comes more than a delivery."""
    for number in range(40):
        wakeups.wake(range(number * 10, number * 10 + 10))
        _let_calls_age(empty_redis, 1_000)
    assert len(_messages(empty_redis)) == wakeups.TASKS_MAX
    _let_calls_age(empty_redis, wakeups.CALL_LIFE_WITHOUT_WORKERS_MS)
    wakeups.wake([1])
    assert len(_messages(empty_redis)) == wakeups.TASKS_MAX + 1, "the messages may have been lost"


def test_calls_from_a_time_without_workers_delay_no_wake_up_once_one_lives(empty_redis: redis.Redis) -> None:
    wakeups.wake(range(200))
    empty_redis.delete(wakeups.QUEUE)  # the messages are lost
    _let_calls_age(empty_redis, wakeups.CALL_LIFE_MS + 100)
    wakeups.heartbeat(worker=True)
    wakeups.wake([1])
    assert _messages(empty_redis) == [[1]]


def test_a_heartbeat_keeps_a_dispatcher_counted_but_does_not_revive_one_that_left(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [])
    past = int(time.time() * 1000) - 1000
    empty_redis.zadd("mw:dispatchers", {"one": past})
    wakeups.heartbeat(dispatcher_ids=["one", "left"], worker=True)
    assert empty_redis.zscore("mw:dispatchers", "one") > past
    assert empty_redis.zscore("mw:dispatchers", "left") is None
    assert empty_redis.zscore("mw:workers", wakeups.WORKER_ID) is not None
    state = wakeups.state()
    assert state == wakeups.FleetState(ready=0, dispatchers=1, workers=1)


def test_webhooks_that_are_given_back_are_ready_again_and_rung_for(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [1, 2])
    taken = wakeups.take("one", 10, saturated=True)
    wakeups.give_back(taken.webhooks)
    assert empty_redis.llen("mw:bell") == 1
    assert sorted(wakeups.take("one", 10).webhooks) == [1, 2]


def test_another_dispatcher_is_called_only_where_a_worker_has_none(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [])
    assert not wakeups.call_another()
    assert _messages(empty_redis) == [], "one worker at least is assumed, and it has its dispatcher"
    now = int(time.time() * 1000)
    empty_redis.zadd("mw:workers", {"a:1": now, "b:2": now, "dead:3": now - 60_000})
    assert wakeups.call_another(), "one is to come"
    assert wakeups.call_another()
    assert _messages(empty_redis) == [[]]


def test_who_calls_learns_whether_others_are_on_duty(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [])
    wakeups.arrive("two", [])
    assert wakeups.call_another()
    empty_redis.zadd("mw:dispatchers", {"two": int(time.time() * 1000) - 60_000})
    assert not wakeups.call_another()


def test_a_successor_is_called_whoever_else_is_on_duty(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [])
    wakeups.call_successor()
    assert _messages(empty_redis) == [[]]


# --- countdowns and who leads -----------------------------------------------------------------------------------------


def test_a_countdown_wake_up_names_its_webhooks_and_its_time(empty_redis: redis.Redis) -> None:
    """Promise 3: the delay and a cushion, so that a clock slightly ahead finds the row due."""
    before = time.time()
    wakeups.wake_later([7, 8, 7], 5)
    assert _messages(empty_redis) == [[7, 8]]
    assert _ready(empty_redis) == set()
    [raw] = empty_redis.lrange(wakeups.QUEUE, 0, -1)
    eta = datetime.fromisoformat(json.loads(raw)["headers"]["eta"]).timestamp()
    assert before + 5.05 <= eta < before + 5.05 + 5


def test_one_process_at_a_time_leads(empty_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wakeups.lead(30)
    assert wakeups.lead(30), "whoever leads goes on leading"
    monkeypatch.setattr(wakeups, "WORKER_ID", "another")
    assert not wakeups.lead(30)
    empty_redis.delete("mw:leader")  # it was not renewed
    assert wakeups.lead(30)
