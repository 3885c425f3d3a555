"""Servers that restart again and again amid 200 events a second: nothing is lost, nobody hangs, all is on time again.

RESTARTS says how often (2); `make nightly` asks for ten.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from celery import current_app
from django.db import connection
from kombu import Connection, Exchange, Queue

from deliveries.models import MaintenanceTask
from subscriptions import services
from tests.faults.poster import Poster
from tests.faults.stage import Stage, came, doubled
from tests.support.processes import wait_for
from tests.support.rabbitmq import RabbitMQ
from tests.support.receiver import TestReceiver
from tests.support.sentinels import Sentinels
from webhooks_project import brokers

pytestmark = pytest.mark.faults

RESTARTS = int(os.environ.get("RESTARTS") or 2)
RATE, EVERY = 200, 0.1
"""Events a second, and seconds between two requests that publish some."""
BACK = 10.0
"""Seconds after a server's return within which each worker takes tasks and what is published then is delivered."""
AWAY = 1.5
"""Seconds for which a server is away."""
STEADY = 2.0
"""Seconds between a recovery and the next restart."""

Restart = Callable[[int], None]
"""Restarts the server for the nth time; returns when it is back."""


@contextlib.contextmanager
def _postgresql(stage: Stage) -> Iterator[Restart]:
    yield lambda number: stage.postgres.restart(("fast", "immediate", "kill")[number % 3])


@contextlib.contextmanager
def _redis(stage: Stage) -> Iterator[Restart]:
    yield lambda number: _end_and_resume(stage.valkey, number)


@contextlib.contextmanager
def _sentinel(stage: Stage) -> Iterator[Restart]:
    with Sentinels() as sentinels:
        stage.elsewhere["REDIS_URL"] = sentinels.url
        yield lambda number: sentinels.fail_over((None, signal.SIGTERM, signal.SIGKILL)[number % 3])


@contextlib.contextmanager
def _rabbitmq(stage: Stage) -> Iterator[Restart]:
    with RabbitMQ() as server:
        stage.elsewhere["CELERY_BROKER_URL"] = server.url
        yield lambda number: _end_and_resume(server, number)


def _end_and_resume(server, number: int) -> None:
    server.end((signal.SIGKILL, signal.SIGTERM)[number % 2])
    time.sleep(AWAY)
    server.resume()


SERVERS = {"postgresql": _postgresql, "redis": _redis, "sentinel": _sentinel, "rabbitmq": _rabbitmq}


class Stream:
    """Events at RATE a second over REST, as the block lasts; what fails is repeated under the same ids."""

    def __init__(self, port: int, key: str) -> None:
        self._poster = Poster(lambda: port, key)
        self._numbers = itertools.count()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def finish(self) -> tuple[set[str], set[str]]:
        """Wait until all is published; return the ids that were accepted, and those that never were."""
        self._poster.finish()
        return set(self._poster.accepted), set(self._poster.refused)

    def mark(self, name: str) -> None:
        """Publish one event of this id, behind what is waiting to be published."""
        self._poster.send([name], batch=False)

    def _run(self) -> None:
        while not self._ends.wait(EVERY):
            self._poster.send([f"s{next(self._numbers)}" for _ in range(round(RATE * EVERY))], batch=True)


class Broker:
    """The broker of a stage's processes, as the test asks it."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._broker = brokers.in_celerys_words(variables["CELERY_BROKER_URL"] or variables["REDIS_URL"])

    def ask(self, queue: str) -> None:
        """Send a task that does nothing."""
        arguments = {"x-queue-type": "quorum"} if self._broker.is_amqp else None
        wanted = Queue(queue, Exchange(queue), queue, queue_arguments=arguments)
        with self._connection() as connection:
            current_app.send_task("deliveries.deliver", args=([],), queue=wanted, connection=connection, retry=False)

    def is_empty(self, queue: str) -> bool:
        """Tell whether all that was sent there has been taken."""
        with self._connection() as connection:
            channel = connection.default_channel
            if hasattr(channel, "_size"):  # Redis forgets a queue that is empty
                return channel._size(queue) == 0
            return channel.queue_declare(queue=queue, passive=True).message_count == 0

    def _connection(self) -> Connection:
        return Connection(self._broker.url, ssl=self._broker.tls, transport_options=self._broker.options)


@pytest.mark.parametrize("kind", SERVERS)
def test_restarts_amid_200_events_a_second_lose_nothing_and_leave_nobody_hanging(stage: Stage, kind: str):
    with SERVERS[kind](stage) as restart, TestReceiver() as receiver:
        for number in range(2):
            stage.webhook(f"{receiver.url}/{number}", window=20)
        key = services.create_api_key(merchant=stage.merchant, name="stream").text
        workers = {f"only-{n}": stage.worker(f"only-{n}") for n in range(2)}
        web, beat, broker = stage.web(), stage.beat(), Broker(stage.variables())
        with Stream(web.port, key) as stream:
            stream.mark("first")
            _wait_until_it_came(receiver, "first", 20)
            for number in range(RESTARTS):
                time.sleep(STEADY)
                restart(number)
                back = time.monotonic()
                stream.mark(f"after{number}")
                for queue in workers:
                    broker.ask(queue)
                _wait_until_it_came(receiver, f"after{number}", BACK)
                left = back + BACK - time.monotonic()
                try:
                    wait_for(lambda: all(map(broker.is_empty, workers)), left, "each worker's taking a task")
                except AssertionError as error:
                    logs = "\n".join(f"{queue}: {worker.tail()}" for queue, worker in workers.items())
                    raise AssertionError(f"{error}:\n{logs}") from None
                print(f"{kind} {number}: all deliver {time.monotonic() - back:.2f} s after its return")
                for child in (*workers.values(), web, beat):
                    assert child.runs, child.tail()
            back = _now()
        accepted, refused = stream.finish()
        wait_for(lambda: stage.statuses().keys() == {"delivered"}, 60, "the delivery of all")
        wait_for(lambda: _called_after(back), 90, "a call of beat's that a worker began with")
        everything = {message for _url, message in came(receiver)}
        assert accepted <= everything <= accepted | refused
        assert len(set(came(receiver))) == 2 * len(everything)
        if kind != "postgresql":  # what was in flight when it died may have been sent twice
            assert doubled(receiver) == {}
            assert stage.interrupted() == []
        stage.log_agrees()


def _wait_until_it_came(receiver: TestReceiver, message: str, seconds: float) -> None:
    wait_for(lambda: message in receiver.message_ids, seconds, f"the event {message}")


def _now() -> datetime:
    """Return the database's time."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def _called_after(moment: datetime) -> bool:
    """Tell whether beat has called since, and a worker has begun with it."""
    connection.close()
    return MaintenanceTask.objects.filter(name="beat: tell", ran_at__gt=moment, position=0).exists()
