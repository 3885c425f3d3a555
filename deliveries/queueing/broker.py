"""The Celery broker, as the product enqueues its tasks: over one connection that gives up soon."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import redis
from amqp.exceptions import AMQPError
from celery import Task, current_app
from kombu import Connection, Producer, Queue
from kombu.exceptions import KombuError
from kombu.pools import producers

from subscriptions.conf import settings
from subscriptions.redis_clients import said

HOUSEKEEPING: Final[str] = settings.WEBHOOKS_HOUSEKEEPING_QUEUE
"""The Celery queue of everything but `deliver`."""

TIMEOUT: Final = 0.5
"""Seconds the broker may take to accept a task."""

BrokerError: Final = (KombuError, OSError, redis.RedisError, AMQPError)
"""What `enqueue` raises where the broker is away; for an `except` clause."""


def enqueue(
    task: Task,  # type: ignore[type-arg]
    args: Sequence[Any],
    *,
    queue: str = HOUSEKEEPING,
    countdown: float | None = None,
    task_id: str | None = None,
) -> None:
    """Enqueue a Celery task.

    Args:
        task: A registered task.
        args: Its arguments.
        queue: Where to.
        countdown: Seconds from now until a worker may start it.
        task_id: The id of its message; None for one that Celery makes up.

    Raises:
        BrokerError: The broker didn't accept the task within TIMEOUT.
    """
    options: dict[str, Any] = {"queue": queue}
    if countdown is not None:
        options["countdown"] = countdown
    with lent_producer() as producer:
        task.apply_async(args=tuple(args), producer=producer, retry=False, task_id=task_id, **options)


@contextlib.contextmanager
def lent_producer() -> Iterator[Producer]:
    """Lend a producer on a connection that stands, for one thread. One that failed its block connects anew next time.

    Redis' clients do that by themselves; a connection to RabbitMQ that has broken stays broken, and one that was closed
    by the other side shows it only when it is read from.

    Raises:
        BrokerError: No producer was free for TIMEOUT, or no connection could be made.
    """
    with producers[_connection()].acquire(block=True, timeout=TIMEOUT) as producer:
        connection = producer.__connection__
        is_amqp = connection.transport.driver_type == "amqp"
        try:
            if is_amqp:
                _look(connection)
            yield producer
        except BaseException:
            if is_amqp:
                connection.collect()
            raise


def _look(connection: Connection) -> None:
    """Read what RabbitMQ has said meanwhile; forget the connection where that was its end."""
    if connection.connected:
        try:
            connection.drain_events(timeout=0)
        except TimeoutError:
            return  # nothing
        except BrokerError:
            connection.collect()


def refusal() -> str | None:
    """Send ourselves a message, look at the queues of tasks, and return what the broker says against it, if anything.

    A connection alone proves little: a full server, or a replica, accepts it.
    """
    try:
        with lent_producer() as producer:
            channel: Any = producer.channel
            name = f"probe.{secrets.token_hex(6)}"
            own = Queue(name, durable=False, exclusive=True, auto_delete=True, expires=60.0, channel=channel)
            own.declare()
            producer.publish("", routing_key=own.name, exchange="", retry=False)
            own.get(no_ack=True)
            own.delete()
            for name in {*current_app.amqp.queues, settings.WEBHOOKS_DELIVERIES_QUEUE, HOUSEKEEPING}:
                queue = current_app.amqp.queues[name]
                if not hasattr(channel, "get_table"):
                    queue(channel).declare()  # as workers do: one of another kind is refused
                    continue
                channel.get_table(queue.name)  # of Redis' transport: who listens at an exchange
                if channel._has_queue(queue.name):
                    channel.queue_declare(queue=queue.name, passive=True)
    except BrokerError as error:
        return said(error)
    return None


def _connection() -> Connection:
    """Return a connection that tries once; Celery's own would retry for minutes."""
    return _made(current_app.conf.broker_url)


@lru_cache(maxsize=4)
def _made(_url: str) -> Connection:
    connection = current_app.connection_for_write(connect_timeout=TIMEOUT)
    options = dict(connection.transport_options or {})
    waits = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    if "sentinel_kwargs" in options:
        options["sentinel_kwargs"] = options["sentinel_kwargs"] | waits
    if connection.transport.driver_type == "amqp":
        waits = {"read_timeout": TIMEOUT, "write_timeout": TIMEOUT}
    connection.transport_options = options | waits | {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    return connection


def queue_lengths() -> dict[str, int] | None:
    """Return queue → messages that no worker has taken, of the queues of ours; None where the broker doesn't tell."""
    lengths = {}
    try:
        with lent_producer() as producer:
            channel: Any = producer.channel
            for name in (settings.WEBHOOKS_DELIVERIES_QUEUE, HOUSEKEEPING):
                if not hasattr(channel, "_has_queue"):
                    declared: Any = current_app.amqp.queues[name](channel).queue_declare()
                    lengths[name] = declared.message_count
                else:  # Redis' transport
                    lengths[name] = int(channel._size(name))
    except BrokerError:
        return None
    return lengths
