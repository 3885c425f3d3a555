"""Which of several dispatchers takes what is ready, and who is rung for (docs/adr/0034)."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from deliveries.queueing import wakeups


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a dispatcher stay awake for as long as a slow machine takes."""
    monkeypatch.setattr(wakeups, "ATTENTIVE_MS", 60_000)


@pytest.mark.usefixtures("attentive")
def test_while_a_dispatcher_is_awake_nobody_is_rung_for(empty_redis: redis.Redis) -> None:
    """It takes again by itself, so what comes meanwhile shares its next claim and wakes nobody."""
    wakeups.arrive("one", [1])
    assert wakeups.take("one", 10).webhooks == [1]
    wakeups.wake([2])
    wakeups.give_back([3])
    assert empty_redis.llen("mw:bell") == 0
    assert sorted(wakeups.take("one", 10).webhooks) == [2, 3]
    assert wakeups.take("one", 10).webhooks == [], "nothing came: it is to be rung for again"
    wakeups.wake([4])
    assert empty_redis.llen("mw:bell") == 1


def _take_and_be_late(client: redis.Redis) -> None:
    wakeups.take("one", 10)
    client.zincrby("mw:awake", -wakeups.ATTENTIVE_MS - 100, "one")


ENDS = {
    "late: busy, frozen or dead": _take_and_be_late,
    "saturated": lambda _client: wakeups.take("one", 10, saturated=True),
    "resting": lambda _client: (wakeups.take("one", 10), wakeups.rest("one")),
    "off duty": lambda _client: (wakeups.take("one", 10), wakeups.leave("one")),
}


@pytest.mark.usefixtures("attentive")
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_others_are_rung_for_beside_a_dispatcher_that_is(empty_redis: redis.Redis, end: Any) -> None:
    """Promise 5: whoever can't take what is ready at once doesn't keep others from it."""
    wakeups.arrive("one", [1])
    wakeups.arrive("two", [])
    end(empty_redis)
    wakeups.wake([2])
    assert empty_redis.llen("mw:bell") == 1
    assert wakeups.take("two", 10).webhooks == [2]


@pytest.mark.usefixtures("attentive")
def test_who_rests_rings_for_what_is_ready(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [1])
    wakeups.take("one", 10)
    wakeups.wake([2])
    assert empty_redis.llen("mw:bell") == 0
    wakeups.rest("one")
    assert empty_redis.llen("mw:bell") == 1


@pytest.mark.usefixtures("attentive")
def test_of_two_dispatchers_the_one_that_is_awake_takes_it_all_until_it_is_saturated(empty_redis: redis.Redis) -> None:
    wakeups.arrive("one", [1])
    wakeups.arrive("two", [])
    wakeups.take("one", 10)
    empty_redis.sadd("mw:ready", 2)
    assert wakeups.take("two", 10).webhooks == []
    assert empty_redis.smembers("mw:ready") == {b"2"}
    assert wakeups.take("one", 10, saturated=True).webhooks == [2]
    empty_redis.sadd("mw:ready", 3)
    assert wakeups.take("two", 10).webhooks == [3]
    empty_redis.sadd("mw:ready", 4)
    assert wakeups.take("one", 10, saturated=True).webhooks == [4], "both work"
    empty_redis.sadd("mw:ready", 5)
    assert wakeups.take("one", 10).webhooks == [], "one is enough again"
