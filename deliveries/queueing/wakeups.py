"""Wake-ups: which webhooks are ready, in Redis, and the Celery tasks that bring a dispatcher on duty.

A lost entry or message delays a delivery by a sweep; the database is authoritative. Nothing here raises for an absent
Redis or broker unless it says so.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import redis
from celery import current_app

from deliveries.queueing import broker, redis_client, redis_scripts
from subscriptions import redis_clients
from subscriptions.conf import settings
from subscriptions.redis_script import Script

QUEUE: Final[str] = settings.WEBHOOKS_DELIVERIES_QUEUE
"""The Celery queue of the task `deliver`."""
TASK = "deliveries.deliver"

STALE_MS = 1500
"""A dispatcher or worker without a heartbeat for so many milliseconds does not count. Being wrong costs a task."""
ATTENTIVE_MS = 25
"""Milliseconds after a take that brought something for which a dispatcher is awake: it takes again without being rung
for. One that is late (busy, frozen or dead) is awake no more, and the next wake-up rings for another."""
CALL_LIFE_MS = 2000
"""Milliseconds for which an enqueued task counts as a dispatcher to come, where a worker process lives."""
CALL_LIFE_WITHOUT_WORKERS_MS = 60_000
"""Milliseconds for which it does where none lives. What a broker loses meanwhile is found by a worker's first sweep."""
TASKS_MAX = 100
"""Celery tasks on their way to call a dispatcher, at most; further webhooks share them."""
RECORDER = "recorder"
"""The name of the recorder's thread."""
WAKE_CHUNK = 5000
"""Webhooks marked ready in one call, so that a sweep over very many doesn't hold Redis up."""
COUNTDOWN_CUSHION = 0.05
"""Seconds a countdown adds to a delay, so that a clock slightly ahead finds the row due."""

WORKER_ID = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """Ready webhooks popped for a dispatcher; `left`: how many more are ready."""

    webhooks: list[int]
    left: int = 0


@dataclass(frozen=True, slots=True)
class FleetState:
    """What Redis knows of the fleet: webhooks ready, dispatchers on duty, worker processes alive."""

    ready: int
    dispatchers: int
    workers: int


def wake(webhook_ids: Iterable[int]) -> None:
    """Mark webhooks ready and see that a dispatcher looks at them.

    A dispatcher on duty hears the bell, unless one is awake, which looks anyway. Where none is on duty, a Celery task
    is enqueued for each webhook that was not ready yet, while fewer than TASKS_MAX are on their way.
    """
    every = list(dict.fromkeys(webhook_ids))
    for first in range(0, len(every), WAKE_CHUNK):
        ids = every[first : first + WAKE_CHUNK]
        lives = [STALE_MS, CALL_LIFE_MS, CALL_LIFE_WITHOUT_WORKERS_MS]
        arguments = [*lives, secrets.token_hex(6), TASKS_MAX, ATTENTIVE_MS, *ids]
        names = _key_names("ready", "bell", "dispatchers", "called", "awake", "workers")
        calls = _run("WAKE", names, arguments, default=0)
        for nth in range(calls):
            if not _enqueue(ids[nth::calls]):
                break


def call_another() -> bool:
    """Enqueue a task for one more dispatcher if a worker process has none: there is more ready than one can take.

    Tells whether there are others beside the one on duty that calls, or to come.
    """
    arguments = [STALE_MS, CALL_LIFE_MS, secrets.token_hex(6)]
    calls, others = _run("CALL", _key_names("dispatchers", "called", "workers"), arguments, default=(0, 0))
    if calls:
        _enqueue([])
    return others > 0


def call_successor() -> None:
    """Enqueue a task for a dispatcher that follows this one, whoever else is on duty."""
    _enqueue([])


def wake_later(webhook_ids: Iterable[int], delay: float) -> None:
    """Enqueue one countdown wake-up for webhooks that have something due in `delay` seconds."""
    ids = list(dict.fromkeys(webhook_ids))
    if ids:
        _enqueue(ids, countdown=delay + COUNTDOWN_CUSHION)


def arrive(dispatcher_id: str | None, webhook_ids: Sequence[int]) -> None:
    """Note that a task has arrived: its webhooks are ready, its dispatcher is on duty.

    None where the process has a dispatcher on duty already: that one is rung for.
    Raises redis.RedisError when Redis is away.
    """
    _evaluate("ARRIVE", _key_names("ready", "bell", "dispatchers", "called"), [dispatcher_id or "", *webhook_ids])


def take(dispatcher_id: str, limit: int, *, saturated: bool = False) -> Taken:
    """Pop up to `limit` ready webhooks and renew the heartbeat. Raises redis.RedisError when Redis is away.

    Nothing while another dispatcher is awake, unless this one is `saturated`. Who got something is awake and owes
    another `take` within ATTENTIVE_MS, or a `rest`.
    """
    arguments = [dispatcher_id, limit, ATTENTIVE_MS, int(saturated)]
    left, *ids = _evaluate("TAKE", _key_names("ready", "bell", "dispatchers", "awake"), arguments)
    return Taken([int(pk) for pk in ids], int(left))


def rest(dispatcher_id: str) -> None:
    """Say that this dispatcher takes nothing for a while: others are to be rung for."""
    _run("REST", _key_names("ready", "bell", "awake"), [dispatcher_id], default=0)


def wait_for_bell(seconds: float) -> None:
    """Wait until the bell rings, for up to `seconds` (BELL_WAIT_MAX at most).

    Raises redis.RedisError when Redis is away.
    """
    redis_clients.client(redis_client.BELL_TIMEOUT).blpop(
        [redis_client.name("bell")], timeout=max(0.01, min(seconds, redis_client.BELL_WAIT_MAX))
    )


def give_back(webhook_ids: Sequence[int]) -> None:
    """Put webhooks back among the ready ones, for the dispatcher that takes next."""
    if webhook_ids:
        _run("GIVE_BACK", _key_names("ready", "bell", "awake"), [ATTENTIVE_MS, *webhook_ids], default=0)


def leave(dispatcher_id: str) -> bool:
    """Go off duty, then look once more: True when webhooks are ready that nobody else may have been rung for."""
    return bool(_run("LEAVE", _key_names("ready", "dispatchers", "awake"), [dispatcher_id], default=0))


def heartbeat(*, dispatcher_ids: Sequence[str] = (), worker: bool) -> None:
    """Say that this worker process and its dispatcher are alive."""
    arguments = [WORKER_ID if worker else "", *dispatcher_ids]
    _run("HEARTBEAT", _key_names("dispatchers", "workers"), arguments, default=0)


def state(*, within_ms: int = STALE_MS) -> FleetState | None:
    """Return what Redis knows of the fleet, of those heard of within that time; None when Redis is away."""

    def ask() -> FleetState:
        seconds, microseconds = redis_clients.client().time()
        since = seconds * 1000 + microseconds // 1000 - within_ms
        with redis_clients.client().pipeline(transaction=False) as pipeline:
            pipeline.scard(redis_client.name("ready"))
            pipeline.zcount(redis_client.name("dispatchers"), since, "+inf")
            pipeline.zcount(redis_client.name("workers"), since, "+inf")
            return FleetState(*pipeline.execute())

    return _attempt(ask, default=None)


def try_again() -> None:
    """Ask Redis whether it takes writes again although the breaker is open; the broker finds out with the next wake-up.

    For the scheduler, whose thread nobody waits for.
    """
    redis_client.broker_breaker.close()
    if redis_client.breaker.is_open:
        if refusal := redis_client.refusal():
            redis_client.breaker.open(refusal)
        else:
            redis_client.breaker.close()


def lead(seconds: float) -> bool:
    """Try to be the leading scheduler for the next `seconds`; who leads goes on leading. False when Redis is away."""
    client, leader = redis_clients.client(), redis_client.name("leader")
    milliseconds = int(seconds * 1000)

    def ask() -> bool:
        if client.set(leader, WORKER_ID, nx=True, px=milliseconds):
            return True
        return client.get(leader) == WORKER_ID and bool(client.pexpire(leader, milliseconds))

    return _attempt(ask, default=False)


def _key_names(*suffixes: str) -> list[str]:
    return [redis_client.name(suffix) for suffix in suffixes]


@cache
def _script(name: str, client: redis.Redis) -> Script:
    return Script(client, getattr(redis_scripts, name))


def _evaluate(name: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
    return _script(name, redis_clients.client())(keys=names, args=arguments)


def _attempt(ask: Callable[[], T], *, default: T) -> T:
    if redis_client.breaker.is_open:
        return default
    try:
        return ask()
    except redis.RedisError as error:
        redis_client.breaker.open(error)
        return default


def _run(name: str, names: Sequence[str], arguments: Sequence[Any], *, default: Any) -> Any:
    return _attempt(lambda: _evaluate(name, names, arguments), default=default)


def _enqueue(webhook_ids: Sequence[int], *, countdown: float | None = None) -> bool:
    """Enqueue a task `deliver`; False when the broker is away, now or a moment ago."""
    if redis_client.broker_breaker.is_open:
        return False
    task = current_app.tasks[TASK]
    if current_app.conf.task_always_eager:
        # Eagerly there is no later: what is due later waits for a worker or the next wake-up. And the recorder must not
        # dispatch itself: the publisher's dispatcher, which waits for it, takes the webhooks.
        if countdown is None and threading.current_thread().name != RECORDER:
            task.apply_async(args=(list(webhook_ids),))
        return True
    try:
        broker.enqueue(task, [list(webhook_ids)], queue=QUEUE, countdown=countdown)
    except broker.BrokerError as error:
        redis_client.broker_breaker.open(error)
        return False
    return True
