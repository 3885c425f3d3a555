"""Lanes on the blackboard: mark them ready, wake a shift, take them, end a shift. Hints only, never the truth."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

import redis
from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers

from deliveries import keys, scripts

FAST, SLOW = "deliveries", "deliveries.slow"
TASK = "deliveries.deliver"

STALE_MS = 1500
"""A shift or worker that has not been heard of for this long does not count. Being wrong costs a needless wake-up."""
CALL_LIFE_MS = 2000
"""How long an enqueued wake-up counts as a shift to come."""
RECORDER = "recorder"
"""The name of the recorder's thread."""
WAKE_CHUNK = 5000
"""Lanes marked ready in one call, so that a sweep over very many doesn't hold Redis up."""
PUBLISH_TIMEOUT = 0.5
"""Seconds the broker may take to accept a wake-up."""

WORKER_ID = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """Lanes popped for a shift; `left`: how many more are ready; `diverted`: how many went to the slow shifts."""

    lanes: list[int]
    left: int = 0
    diverted: int = 0


def wake(webhook_ids: Iterable[int], *, slow: bool = False) -> None:
    """Mark lanes ready and see that a shift comes: one Celery task for each lane while there is room for more shifts.

    Under load enough shifts are on or called and nothing is enqueued: hints coalesce. Never raises for Redis or the
    broker; without them the pacemaker's sweep finds the lanes.
    """
    every = list(dict.fromkeys(webhook_ids))
    queue = SLOW if slow else FAST
    for first in range(0, len(every), WAKE_CHUNK):
        ids = every[first : first + WAKE_CHUNK]
        calls = _run("WAKE", _protocol_keys(queue), [*_limits(), secrets.token_hex(6), len(ids), *ids], default=0)
        for nth in range(calls):
            if not _enqueue(ids[nth::calls], queue):
                break


def call_another(*, slow: bool) -> None:
    """Enqueue one more shift if there is room: there is more ready than this one can take."""
    queue = SLOW if slow else FAST
    if _run("WAKE", _protocol_keys(queue), [*_limits(), secrets.token_hex(6), 1], default=0):
        _enqueue([], queue)


def wake_later(webhook_ids: Iterable[int], delay: float) -> None:
    """Enqueue one countdown wake-up for lanes that have something due in `delay` seconds."""
    ids = list(dict.fromkeys(webhook_ids))
    if ids:
        _enqueue(ids, FAST, countdown=delay + settings.WEBHOOKS_COUNTDOWN_CUSHION)


def begin(shift_id: str, webhook_ids: Sequence[int], *, slow: bool) -> bool:
    """Register a shift for an arrived wake-up and mark its lanes ready. False: enough are on, they will see the lanes.

    Raises redis.RedisError when Redis is away.
    """
    return bool(_evaluate("BEGIN", _protocol_keys(SLOW if slow else FAST), [*_limits(), shift_id, *webhook_ids]))


def take(shift_id: str, limit: int, *, slow: bool) -> Taken:
    """Pop up to `limit` ready lanes, and let the shift's heart beat. Raises redis.RedisError when Redis is away."""
    queue = SLOW if slow else FAST
    names = [_key(queue, "ready"), _key(queue, "shifts"), keys.name("slow"), _key(SLOW, "ready"), _key(SLOW, "workers")]
    left, diverted, *lanes = _evaluate("TAKE", names, [shift_id, limit, STALE_MS, int(slow)])
    return Taken([int(lane) for lane in lanes], int(left), int(diverted))


def give_back(webhook_ids: Sequence[int], *, slow: bool) -> None:
    """Put lanes back among the ready ones, for whoever takes next."""
    if webhook_ids:
        _attempt(lambda: keys.client().sadd(_key(SLOW if slow else FAST, "ready"), *webhook_ids), default=0)


def end(shift_id: str, *, slow: bool) -> bool:
    """Unregister a shift, then look once more: True when a lane became ready meanwhile and the shift must go on."""
    queue = SLOW if slow else FAST
    return bool(_run("END", [_key(queue, "ready"), _key(queue, "shifts")], [shift_id], default=0))


def beat(queue: str, *, shift_ids: Sequence[str] = (), worker: bool) -> None:
    """Say that this worker process and its shifts are alive."""
    arguments = [WORKER_ID if worker else "", *shift_ids]
    _run("BEAT", [_key(queue, "shifts"), _key(queue, "workers")], arguments, default=0)


def mark_slow(webhook_ids: Sequence[int]) -> None:
    """Let these lanes be worked by slow shifts for the next WEBHOOKS_SLOW_FOR seconds."""
    if webhook_ids:
        _run("MARK_SLOW", [keys.name("slow")], [int(settings.WEBHOOKS_SLOW_FOR * 1000), *webhook_ids], default=0)


def state(queue: str) -> tuple[int, int, int] | None:
    """Return how many lanes are ready, shifts on and worker processes alive for a queue; None when Redis is away."""

    def ask() -> tuple[int, int, int]:
        seconds, microseconds = keys.client().time()
        since = seconds * 1000 + microseconds // 1000 - STALE_MS
        with keys.client().pipeline(transaction=False) as pipeline:
            pipeline.scard(_key(queue, "ready"))
            pipeline.zcount(_key(queue, "shifts"), since, "+inf")
            pipeline.zcount(_key(queue, "workers"), since, "+inf")
            ready, shifts, workers = pipeline.execute()
        return ready, shifts, workers

    return _attempt(ask, default=None)


def mend() -> None:
    """Ask Redis whether it is back, past the fuse; for the pacemaker, whose thread nobody waits for."""
    if keys.fuse.blown:
        with contextlib.suppress(redis.RedisError):
            keys.client().ping()
            keys.fuse.mend()
            keys.broker_fuse.mend()  # mostly the same server; if not, the next wake-up blows it again


def elect(seconds: float) -> bool:
    """Try to be the pacemaker for the next `seconds`; whoever holds the office keeps it. False when Redis is away."""
    client, office = keys.client(), keys.name("pacemaker")
    milliseconds = int(seconds * 1000)

    def ask() -> bool:
        if client.set(office, WORKER_ID, nx=True, px=milliseconds):
            return True
        return client.get(office) == WORKER_ID and bool(client.pexpire(office, milliseconds))

    return _attempt(ask, default=False)


def _limits() -> list[int]:
    return [settings.WEBHOOKS_SHIFTS_PER_WORKER, STALE_MS, CALL_LIFE_MS]


def _key(queue: str, part: str) -> str:
    return keys.name(f"{queue}:{part}")


def _protocol_keys(queue: str) -> list[str]:
    return [_key(queue, part) for part in ("ready", "shifts", "called", "workers")]


@cache
def _script(name: str) -> Any:
    return keys.client().register_script(getattr(scripts, name))


def _evaluate(name: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
    return _script(name)(keys=names, args=arguments)


def _attempt(ask: Callable[[], T], *, default: T) -> T:
    if keys.fuse.blown:
        return default
    try:
        return ask()
    except redis.RedisError as error:
        keys.fuse.blow(error)
        return default


def _run(name: str, names: Sequence[str], arguments: Sequence[Any], *, default: Any) -> Any:
    return _attempt(lambda: _evaluate(name, names, arguments), default=default)


@lru_cache(maxsize=1)
def _broker() -> Connection:
    """Return a broker connection that gives up within PUBLISH_TIMEOUT; Celery's own would retry for minutes."""
    connection = current_app.connection_for_write(connect_timeout=PUBLISH_TIMEOUT)
    connection.transport_options = {
        **(connection.transport_options or {}),
        "socket_timeout": PUBLISH_TIMEOUT,
        "socket_connect_timeout": PUBLISH_TIMEOUT,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    }
    return connection


def _enqueue(webhook_ids: Sequence[int], queue: str, *, countdown: float | None = None) -> bool:
    """Enqueue a wake-up; False when the broker is away, now or a moment ago."""
    if keys.broker_fuse.blown:
        return False
    task = current_app.tasks[TASK]
    options: dict[str, Any] = {"args": [list(webhook_ids)], "queue": queue, "countdown": countdown}
    if current_app.conf.task_always_eager:
        # Eagerly there is no later: what is due later waits for a worker or the next wake. And the recorder must not
        # run a shift itself: the publisher's, which waits for it, takes the lanes.
        if countdown is None and threading.current_thread().name != RECORDER:
            task.apply_async(**options)
        return True
    try:
        with producers[_broker()].acquire(block=True, timeout=PUBLISH_TIMEOUT) as producer:
            task.apply_async(producer=producer, retry=False, **options)
    except (KombuError, OSError, redis.RedisError) as error:
        keys.broker_fuse.blow(error)
        return False
    return True
