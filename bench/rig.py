"""What the benchmarks share: child processes that end with us, merchants with webhooks, and reading of the clock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import django
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

import redis  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Max, Min  # noqa: E402

from deliveries import dialects  # noqa: E402
from deliveries.models import Attempt, Delivery  # noqa: E402
from deliveries.publishing import NewEvent, publish_many  # noqa: E402
from deliveries.queueing import wakeups  # noqa: E402
from subscriptions.conf import settings  # noqa: E402
from subscriptions.models import Merchant, SigningSecret, Subscription, Webhook  # noqa: E402

EVENT = "order.created"
DATA = {
    "order": {
        "id": "1045",
        "total": "49.99",
        "currency": "EUR",
        "customer": {"email": "ada@example.com"},
        "note": "x" * 250,
    }
}


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child process for the length of a block; it gets SIGTERM and then up to 30 s."""
    child = subprocess.Popen([sys.executable, *command], env=os.environ | environment)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def receiver(*certificate: str) -> Iterator[str]:
    """Run the receiver, over TLS with the files of a certificate and its key; yields its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with process("-m", "bench.receiver", str(port), *certificate):
        wait_for(lambda: listens(port), 10)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def workers(
    count: int = 2,
    *,
    app: str = "webhooks_project",
    queues: str = "deliveries,housekeeping",
    threads: int = 4,
    **environment: str,
) -> Iterator[list[psutil.Process]]:
    """Run `count` worker processes of Celery's threads pool, as the Procfile does: one a core; yields them."""
    command = [
        "-m", "celery", "-q", "-A", app, "worker", "-P", "threads", "-c", str(threads), "-Q", queues,
        "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING",
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(process(*command, "-n", f"{app}-{number}-{os.getpid()}@%h", **environment))
            for number in range(count)
        ]
        wait_for(lambda: _consumers(queues.split(",", maxsplit=1)[0]) >= count, 60)
        yield [psutil.Process(child.pid) for child in started]


def prepare() -> None:
    """Start from an empty database and an empty Redis. Refuses a database that holds deliveries of others."""
    call_command("migrate", verbosity=0)
    call_command("flush", verbosity=0, interactive=False)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


def webhooks(count: int, url: str, *, paths: Callable[[int], str] = lambda number: f"/{number}") -> list[Merchant]:
    """Make `count` webhooks, a merchant each, all listening to EVENT; returns the merchants."""
    merchants = Merchant.objects.bulk_create(
        [
            Merchant(name=f"Shop {number}", email="shop@example.com", domain="shop.example.com")
            for number in range(count)
        ]
    )
    hooks = Webhook.objects.bulk_create(
        [Webhook(merchant=merchant, url=url + paths(number)) for number, merchant in enumerate(merchants)]
    )
    secret = dialects.get("standard").make_secret()
    SigningSecret.objects.bulk_create([SigningSecret(webhook=hook, value=secret) for hook in hooks])
    Subscription.objects.bulk_create(
        [Subscription(merchant=hook.merchant, webhook=hook, pattern=EVENT) for hook in hooks]
    )
    return merchants


def publish_backlog(merchants: list[Merchant], each: int, *, note: int = 250) -> None:
    """Publish `each` events to every merchant, whose orders have a note of so many characters."""
    data = {"order": DATA["order"] | {"note": "x" * note}}
    for merchant in merchants:
        for left in range(each, 0, -settings.WEBHOOKS_BATCH_MAX):
            publish_many([NewEvent(EVENT, data)] * min(left, settings.WEBHOOKS_BATCH_MAX), merchant=merchant)


def drain_seconds(expect: int, timeout: float, *, url_part: str = "") -> float:
    """Wait until `expect` deliveries were delivered; return the seconds from their first request to their last answer.

    Raises TimeoutError.
    """
    rows = Delivery.objects.filter(status=Delivery.Status.DELIVERED, webhook__url__contains=url_part)
    wait_for(lambda: rows.count() >= expect, timeout)
    log = Attempt.objects.filter(url__contains=url_part).aggregate(first=Min("started_at"), last=Max("answered_at"))
    return (log["last"] - log["first"]).total_seconds()


def wait_for(condition: Callable[[], object], timeout: float, *, pause: float = 0.1) -> None:
    """Wait until `condition()` is true. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} was not true within {timeout} s")
        time.sleep(pause)


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each figure over several runs; figures that stand within a figure, too."""
    first = runs[0]
    return {
        name: medians([run[name] for run in runs])
        if isinstance(value, dict)
        else None
        if value is None
        else median([run[name] for run in runs])
        for name, value in first.items()
    }


def report(name: str, figures: dict[str, Any]) -> None:
    """Print a benchmark's figures as one line of JSON, for whoever compares or plots them."""
    print(json.dumps({"benchmark": name, "figures": figures}), flush=True)


class Messages:
    """Counts the Celery messages that pass through a queue, by Redis' own statistics of the command that enqueues."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(settings.REDIS_URL)
        self._before = self._enqueued()

    def count(self) -> int:
        """Return how many messages were enqueued since this object was made."""
        return self._enqueued() - self._before

    def _enqueued(self) -> int:
        statistics = self._client.info("commandstats")
        return int(statistics.get("cmdstat_lpush", {}).get("calls", 0))


def listens(port: int) -> bool:
    """Whether something takes connections on a port of this host."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _consumers(queue: str) -> int:
    """Return how many worker processes are ready, by their heartbeat; the baseline's by their binding."""
    if queue == wakeups.QUEUE:
        fleet = wakeups.state()
        return fleet.workers if fleet else 0
    return int(redis.Redis.from_url(settings.REDIS_URL).get(f"bench:{queue}:ready") or 0)
