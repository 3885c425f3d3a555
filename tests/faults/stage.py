"""The servers and processes of one fault test, what is published on them, and what the log says after."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Self, TypeVar

import psycopg
import redis
from django.db import connection
from django.db.models import Count, F

from deliveries.models import Attempt, Delivery, WebhookState
from subscriptions.models import Webhook
from tests.faults.publisher import Publisher, Receipt
from tests.support import processes
from tests.support.factories import make_merchant, make_webhook
from tests.support.processes import Process, Web
from tests.support.proxies import Proxy
from tests.support.receiver import TestReceiver
from webhooks_project.embedded import EmbeddedValkey
from webhooks_project.embedded.postgres import EmbeddedPostgres

Child = TypeVar("Child", bound=Process)
Key = tuple[str, str]
"""A delivery as both sides know it: the webhook's URL and the message id."""


class Stage:
    """One merchant of many webhooks, servers to break, processes to kill.

    Attributes:
        postgres, valkey: The servers.
        merchant: Whom everything is published for.
        accepted: Ids of the events that `publish` reported stored.
        elsewhere: Variables that send processes to a server by another way, such as through a proxy.
    """

    def __init__(self, postgres: EmbeddedPostgres, *, appendonly: bool = False) -> None:
        self.postgres = postgres
        self.valkey = EmbeddedValkey(appendonly=appendonly)
        self.accepted: list[str] = []
        self.elsewhere: dict[str, str] = {}
        self._publisher: Publisher | None = None
        self._ends = contextlib.ExitStack()
        self._children: list[Process] = []

    def __enter__(self) -> Self:
        self._ends.enter_context(self.valkey)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()  # whoever cares how they end has told them to, and waited
        self._ends.close()

    # --- who is on it ---

    @property
    def merchant(self) -> Any:
        """The merchant, made on first use."""
        if not hasattr(self, "_merchant"):
            self._merchant = make_merchant()
        return self._merchant

    def webhook(self, url: str, *, window: int = 0, **settings: Any) -> Webhook:
        """Make a webhook that hears everything; with `window`, one that has shown it can take so many at a time."""
        made = make_webhook(self.merchant, url=url, **settings)
        if window:
            WebhookState.objects.create(webhook=made, window=window)
        return made

    def variables(self, **more: Any) -> dict[str, str]:
        """The environment of a process on these servers."""
        servers = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url} | self.elsewhere
        return processes.environment(**servers | {name: str(value) for name, value in more.items()})

    def worker(self, *more: str, wait: bool = True, skew: float = 0.0, host: str = "", **settings: Any) -> Process:
        """Start a worker, on a host whose clock is `skew` seconds ahead, or on `host`; it ends with the test.

        `more`: queues that it consumes beside ours.
        """
        queues = (*processes.QUEUES, *more)
        return self._child(processes.worker(self.variables(**settings), queues=queues, wait=wait, skew=skew, host=host))

    def web(self, *, wait: bool = True, skew: float = 0.0, **settings: Any) -> Web:
        """Start a web process; as `worker`. It takes any number of requests an hour."""
        many = {"WEBHOOKS_API_RATE_HOUR": 10**6, "WEBHOOKS_API_RATE_MINUTE": 10**6}
        return self._child(processes.web(self.variables(**many, **settings), wait=wait, skew=skew))

    def beat(self, *, wait: bool = True, skew: float = 0.0) -> Process:
        """Start the housekeeping clock; as `worker`."""
        return self._child(processes.beat(self.variables(), wait=wait, skew=skew))

    def publisher(self, *, wait: bool = True) -> Publisher:
        """Start another publisher; it ends with the test."""
        return self._child(Publisher(self.variables(), wait=wait))

    def _child(self, child: Child) -> Child:
        self._children.append(child)
        self._ends.enter_context(child)
        return child

    def publish(self, count: int, *, batch: bool = True) -> Receipt:
        """Publish `count` events from a process of its own, and remember what was accepted."""
        if self._publisher is None:
            self._publisher = self.publisher()
        names = [f"e{len(self.accepted) + number}" for number in range(count)]
        receipt = self._publisher.publish(self.merchant, names, batch=batch)
        self.accepted += receipt.accepted
        return receipt

    def replay(self, delivery: Delivery) -> None:
        """Replay a dead delivery, from the publisher's process."""
        assert self._publisher is not None
        self._publisher.replay(delivery)

    # --- what is broken ---

    def behind_proxies(self) -> dict[str, Proxy]:
        """Send every process started from now on to both servers by proxies, which end with the test."""
        proxies = {}
        for name, variable, server in (
            ("postgresql", "DATABASE_URL", self.postgres),
            ("redis", "REDIS_URL", self.valkey),
        ):
            proxies[name] = self._ends.enter_context(Proxy(server.port))
            self.elsewhere[variable] = server.url.replace(f":{server.port}/", f":{proxies[name].port}/")
        return proxies

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Let PostgreSQL read only: sessions that stand as well as new ones, as on a standby one was sent to."""
        with psycopg.connect(self.postgres.url, autocommit=True) as session:

            def turn(value: str) -> None:
                session.execute("SET default_transaction_read_only = off")
                session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
                session.execute("SELECT pg_reload_conf()")

            turn("on")
            try:
                yield
            finally:
                turn("off")

    def unheard_statements(self, ports: set[int]) -> int:
        """Return how many statements still run whose clients (by their ports at the server) hear nothing more."""
        with psycopg.connect(self.postgres.url, autocommit=True) as session:
            found = session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE client_port = ANY(%s) AND state = 'active'", [list(ports)]
            ).fetchone()
        return int(found[0]) if found else 0

    def flush(self) -> None:
        """Lose all that Redis holds."""
        with redis.Redis.from_url(self.valkey.url, socket_timeout=10) as client:
            client.flushall()

    # --- what the log says ---

    def statuses(self) -> dict[str, int]:
        """Return how many deliveries are in each state."""
        connection.close()  # the server may have been another a moment ago
        return dict(Counter(Delivery.objects.values_list("status", flat=True)))

    def wait_for_statuses(self, wanted: dict[str, int], seconds: float) -> None:
        """Wait until the deliveries are in exactly these states; fail saying in which they are."""
        try:
            processes.wait_for(lambda: self.statuses() == wanted, seconds, f"{wanted}", pause=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log says {self.statuses()}") from None

    def in_flight(self) -> list[Key]:
        """Return the deliveries that are being sent or not yet recorded: those in state `sending`, sorted."""
        connection.close()
        return sorted(Delivery.objects.filter(status="sending").values_list("webhook__url", "event__public_id"))

    def interrupted(self) -> list[Key]:
        """Return the delivery of every attempt that the log calls interrupted, sorted."""
        rows = Attempt.objects.filter(result="interrupted")
        return sorted(rows.values_list("webhook__url", "delivery__event__public_id"))

    def lateness(self) -> list[float]:
        """Return each attempt's lateness in seconds, as logged."""
        rows = Attempt.objects.exclude(lateness_ms=None).values_list("lateness_ms", flat=True)
        return [milliseconds / 1000 for milliseconds in rows]

    def log_agrees(self) -> None:
        """Fail unless every delivery counts the attempts that the log has of it."""
        counted = Delivery.objects.annotate(logged=Count("attempts")).exclude(attempt_count=F("logged"))
        wrong = list(counted.values_list("public_id", "attempt_count", "logged"))
        assert not wrong, f"{len(wrong)} deliveries count other attempts than the log has, such as {wrong[:5]}"


def doubled(receiver: TestReceiver) -> dict[Key, int]:
    """Return how many times too often each delivery came."""
    return {key: times - 1 for key, times in Counter(came(receiver)).items() if times > 1}


def came(receiver: TestReceiver) -> list[Key]:
    """Return the delivery of every request that came."""
    base = receiver.url.removesuffix("/hooks")
    return [(base + received.path, received.message_id) for received in receiver.requests]
