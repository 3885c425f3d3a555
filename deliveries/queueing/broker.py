"""The Celery broker, as the product enqueues its tasks: over one connection that gives up soon."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import redis
from celery import Task, current_app
from kombu import Connection, Queue
from kombu.exceptions import KombuError
from kombu.pools import producers

from subscriptions.conf import settings
from subscriptions.redis_clients import said

HOUSEKEEPING: Final[str] = settings.WEBHOOKS_HOUSEKEEPING_QUEUE
"""The Celery queue of everything but `deliver`."""

TIMEOUT: Final = 0.5
"""Seconds the broker may take to accept a task."""

BrokerError: Final = (KombuError, OSError, redis.RedisError)
"""What `enqueue` raises where the broker is away; for an `except` clause."""


def enqueue(task: Task, args: Sequence[Any], *, queue: str = HOUSEKEEPING, countdown: float | None = None) -> None:  # type: ignore[type-arg]
    """Enqueue a Celery task.

    Args:
        task: A registered task.
        args: Its arguments.
        queue: Where to.
        countdown: Seconds from now until a worker may start it.

    Raises:
        BrokerError: The broker didn't accept the task within TIMEOUT.
    """
    options: dict[str, Any] = {"queue": queue}
    if countdown is not None:
        options["countdown"] = countdown
    with producers[_connection()].acquire(block=True, timeout=TIMEOUT) as producer:
        task.apply_async(args=tuple(args), producer=producer, retry=False, **options)


def refusal() -> str | None:
    """Send ourselves a message, look at the queues of tasks, and return what the broker says against it, if anything.

    A connection alone proves little: a full server, or a replica, accepts it.
    """
    try:
        with producers[_connection()].acquire(block=True, timeout=TIMEOUT) as producer:
            channel = producer.channel
            own = Queue(f"probe.{secrets.token_hex(6)}", durable=False, auto_delete=True, expires=60.0, channel=channel)
            own.declare()
            producer.publish("", routing_key=own.name, exchange="", retry=False)
            own.get(no_ack=True)
            own.delete()
            for name in current_app.amqp.queues:
                if hasattr(channel, "get_table"):  # of Redis' transport: who listens at an exchange
                    channel.get_table(name)
                if not hasattr(channel, "_has_queue") or channel._has_queue(name):
                    channel.queue_declare(queue=name, passive=True)
    except BrokerError as error:
        return said(error)
    return None


def _connection() -> Connection:
    """Return a connection that tries once; Celery's own would retry for minutes."""
    return _made(current_app.conf.broker_url)


@lru_cache(maxsize=4)
def _made(_url: str) -> Connection:
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
