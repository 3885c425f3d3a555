"""The Celery broker, as the product enqueues its tasks: over one connection that gives up soon."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import redis
from celery import Task, current_app
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers

TIMEOUT: Final = 0.5
"""Seconds the broker may take to accept a task."""

BrokerError: Final = (KombuError, OSError, redis.RedisError)
"""What `enqueue` raises where the broker is away; for an `except` clause."""


def enqueue(task: Task, args: Sequence[Any], *, queue: str | None = None, countdown: float | None = None) -> None:  # type: ignore[type-arg]
    """Enqueue a Celery task.

    Args:
        task: A registered task.
        args: Its arguments.
        queue: Where to; None is the task's route.
        countdown: Seconds from now until a worker may start it.

    Raises:
        BrokerError: The broker didn't accept the task within TIMEOUT.
    """
    options: dict[str, Any] = {"queue": queue} if queue else {}
    if countdown is not None:
        options["countdown"] = countdown
    with producers[_connection()].acquire(block=True, timeout=TIMEOUT) as producer:
        task.apply_async(args=tuple(args), producer=producer, retry=False, **options)


@lru_cache(maxsize=1)
def _connection() -> Connection:
    """Return a connection that tries once; Celery's own would retry for minutes."""
    connection = current_app.connection_for_write(connect_timeout=TIMEOUT)
    connection.transport_options = {
        **(connection.transport_options or {}),
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    }
    return connection
