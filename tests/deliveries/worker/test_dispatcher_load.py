"""A dispatcher that can't take what is ready leaves it to others (docs/adr/0034)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from deliveries.queueing import wakeups
from deliveries.sending import process_transport
from deliveries.worker import dispatcher
from deliveries.worker.engine import Engine
from tests.support.dispatching import own_engine, until, work_and_close
from tests.support.engine import due_one
from tests.support.factories import make_merchant, make_webhook
from tests.support.hostile import HostileServer, answers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    yield from own_engine(monkeypatch)


def test_a_dispatcher_without_room_has_others_rung_for(empty_redis: redis.Redis, parts: Engine) -> None:
    """Promise 5: it took something and would take more; as long as it can't, it keeps nobody else from it."""
    with HostileServer(answers()) as server:
        thread = threading.Thread(target=work_and_close, args=([due_one(url=server.url).webhook_id],))
        real = wakeups.take

        def take_and_lose_room(*words: Any, **more: Any) -> wakeups.Taken:
            taken = real(*words, **more)
            if taken.webhooks:
                parts.recorder.blocked = True
            return taken

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(wakeups, "take", take_and_lose_room)
            thread.start()
            until(lambda: parts.recorder.blocked and empty_redis.zcard("mw:awake") == 0)
            wakeups.wake([7])
            assert empty_redis.llen("mw:bell") == 1
        parts.recorder.blocked = False
        thread.join(20)


def test_a_claim_waits_for_requests_that_have_not_begun_but_not_for_long(
    empty_redis: redis.Redis, parts: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brings would only wait behind them; and a dispatcher that waits too long is no longer awake."""
    asked: list[float] = []

    def waiting() -> int:
        asked.append(time.monotonic())
        return dispatcher.UNBEGUN_MAX + (len(asked) < 4)

    monkeypatch.setattr(process_transport, "waiting", waiting)
    duty = dispatcher._Dispatcher(parts, "one")
    duty._gather()
    assert len(asked) == 4
    monkeypatch.setattr(process_transport, "waiting", lambda: dispatcher.UNBEGUN_MAX + 1)
    began = time.monotonic()
    duty._gather()
    assert dispatcher.UNBEGUN_WAIT <= time.monotonic() - began < 1.0


def test_what_waits_is_left_to_others_where_there_are_any(
    empty_redis: redis.Redis, parts: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    duty = dispatcher._Dispatcher(parts, "one")
    wakeups.arrive("one", [])
    crowd = make_merchant()
    hooks = [make_webhook().pk, *(make_webhook(crowd).pk for _ in range(12))]
    duty._line_up(hooks)
    duty._call_another(gives=True)
    assert (empty_redis.scard("mw:ready"), len(duty._ready)) == (0, 13), "nobody else would take it"
    wakeups.arrive("two", [])
    duty._call_another(gives=False)
    assert len(duty._ready) == 13
    duty._call_another(gives=True)
    assert len(duty._ready) == 1 + dispatcher.KEPT_IN_LINE
    assert empty_redis.scard("mw:ready") == 12 - dispatcher.KEPT_IN_LINE
    assert hooks[0] in duty._ready


def test_a_saturated_process_is_told_from_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "LOAD_WINDOW", 0.0)
    load, used = dispatcher._Load(), [0.0, 0.0]
    monkeypatch.setattr(time, "process_time", lambda: used[0])
    monkeypatch.setattr(time, "monotonic", lambda: used[1])
    load._at = load._used = 0.0
    for cpu, wall, expected in [(0.05, 0.1, False), (0.07, 0.1, True), (0.2, 0.1, True), (0.0, 0.1, False)]:
        used[0], used[1] = used[0] + cpu, used[1] + wall
        assert load.is_high() is expected
