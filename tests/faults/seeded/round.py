"""A round: the processes, two publishers, seeded receivers, and the occurrences of a schedule carried out on them."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator

import psycopg

from deliveries.models import Delivery
from deliveries.review import manual_actions
from tests.faults.poster import Poster
from tests.faults.publisher import ORDERED
from tests.faults.seeded.fleet import Fleet
from tests.faults.seeded.manners import SeededReceiver
from tests.faults.seeded.schedule import Occurrence
from tests.faults.stage import Key, Stage
from tests.support.factories import make_api_key
from tests.support.processes import Process, halted
from tests.support.refusals import REFUSALS

WEBHOOKS = 12
"""So many that no webhook's few places (one while its receiver gives no answer) hold the round up."""
ORDERINGS = ("webhook", "resource")
"""Of two more webhooks, that keep an order. One delivery after the other takes its time: they hear less."""
ORDERED_EVERY = 4
"""Every so many publications are such as they hear."""
DELAYS = [0.5, 0.5, 0.5, 1, 1]
TIMEOUT = 1.0
UNHEARD = 0.2
"""Seconds within which what was on its way at a silence is done."""
ENDS = 5.0
"""Seconds within which statements end whose clients hear nothing more."""
DRAIN = 90.0
"""Seconds after the last occurrence within which nothing may be open any more; generous, for machines that are busy."""


class Round:
    """Carries occurrences out and keeps the publisher's side of the ledger.

    Attributes:
        accepted, refused: What `publish` or the REST API said of the events: how many of the refused were stored all
            the same nobody can know, as with any database whose answer to a commit was lost.
        published: What of the accepted went by `publish` or `publish_many`.
        took: Phase → seconds.
        exposed: How often each delivery was in flight when something died: so often it may come twice.
    """

    def __init__(self, stage: Stage, receiver: SeededReceiver, skews: Iterator[float]) -> None:
        self.took: dict[str, float] = {}
        self._phase_began = time.monotonic()
        self.stage = stage
        self.receiver = receiver
        # Not by a proxy: code that publishes in a transaction of its own waits as long as its own sessions do.
        self.publisher = stage.publisher(wait=False)
        self._proxies = stage.behind_proxies()
        self.fleet = Fleet(stage, skews)
        self.webhooks = [
            stage.webhook(f"{receiver.base}/{number}", timeout=TIMEOUT, retry_policy={"delays": DELAYS})
            for number in range(WEBHOOKS)
        ]
        for ordering in ORDERINGS:
            stage.webhook(
                f"{receiver.base}/{ordering}",
                timeout=TIMEOUT,
                retry_policy={"delays": DELAYS},
                events=[ORDERED],
                ordering=ordering,
            )
        self.poster = Poster(self.fleet.port, make_api_key(stage.merchant).text)
        self.accepted: list[str] = []
        self.published: list[str] = []
        self.refused: list[str] = []
        self.exposed: Counter[Key] = Counter()
        self._ordered: list[list[str]] = []
        self._count = self._publications = 0

    def run(self, occurrences: list[Occurrence]) -> None:
        """Carry out, then wait until nothing is open any more."""
        self.publisher.wait_until_it_reads()
        self.fleet.wait_until_ready()
        began = self._passed("starting")
        for occurrence in occurrences:
            time.sleep(max(0.0, began + occurrence.at - time.monotonic()))
            self._carry_out(occurrence)
        self._collect()
        deadline = self._passed("playing") + DRAIN
        while self._open():
            self._discard_heads()
            assert time.monotonic() < deadline, f"after {DRAIN:g} s the log says {self.stage.statuses()}"
            time.sleep(0.1)
        self.fleet.check()
        self._passed("draining")

    def _passed(self, phase: str) -> float:
        """Note how long a phase took, and return the time, in monotonic seconds."""
        now = time.monotonic()
        self.took[phase] = round(now - self._phase_began, 1)
        self._phase_began = now
        return now

    def _open(self) -> int:
        now = self.stage.statuses()  # once: between two looks a delivery may pass from one state to another
        return sum(now.get(status, 0) for status in ("pending", "sending", "retrying"))

    def _discard_heads(self) -> None:
        """See to the dead letters that whole lines wait behind, as a person would."""
        for delivery in Delivery.objects.filter(status="dead").exclude(webhook__ordering=""):
            manual_actions.discard(delivery=delivery, by="test")

    def _carry_out(self, occurrence: Occurrence) -> None:
        match occurrence.what.split():
            case ["publish" | "post" as way, *batch]:
                self._publish(way, int(occurrence.size), batch=bool(batch))
            case ["kill" | "end" as how, "a", "worker"]:
                place = int(occurrence.size * 10) % len(self.fleet.workers)
                self.fleet.replace_worker(place, Process.kill if how == "kill" else self.fleet.tell_to_end)
                self._expose()
            case ["kill" | "end" as how, "web"]:
                self.fleet.replace_web(Process.kill if how == "kill" else self.fleet.tell_to_end)
            case ["kill" | "end" as how, "beat"]:
                self.fleet.replace_beat(Process.kill if how == "kill" else self.fleet.tell_beat_to_end)
            case ["flush", "redis"]:
                self.stage.flush()
            case ["stop" | "kill" as how, "redis"]:
                self.stage.valkey.end(signal.SIGTERM if how == "stop" else signal.SIGKILL)
                time.sleep(occurrence.size)
                self.stage.valkey.resume()
            case ["stall", "redis"]:
                with halted(self.stage.valkey.pid):
                    time.sleep(occurrence.size)
            case ["let", "redis", "refuse", says]:
                with REFUSALS[says](self.stage.valkey):
                    time.sleep(occurrence.size)
            case ["let", "postgresql", "read", "only"]:
                self._expose()
                with self.stage.read_only():
                    time.sleep(occurrence.size)
                    self._expose()
            case ["silence", server]:  # packets of what is open are dropped, as by a host that died and was replaced
                self._silence(server)
            case ["restart", "postgresql", mode]:
                self._expose()
                self.stage.postgres.restart(mode)  # type: ignore[arg-type]
                self._expose()
            case ["cut", "connections"]:
                self._on_the_database(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                self._expose()
            case ["hold", "a", "lock"]:  # as a disk that stalls
                self._on_the_database("BEGIN; LOCK TABLE webhooks_deliveries_attempt", hold=occurrence.size)
            case _:
                raise AssertionError(f"nobody knows how to {occurrence.what}")

    def _silence(self, server: str) -> None:
        """Silence what is open, and note what is in flight when all that was on its way is done.

        A claim may be committed whose answer nobody heard, also by a statement that waited for a lock meanwhile.
        """
        proxy = self._proxies[server]
        proxy.silence()
        self._expose()
        time.sleep(UNHEARD)
        if server == "postgresql":
            until = time.monotonic() + ENDS
            while self.stage.unheard_statements(proxy.unheard) and time.monotonic() < until:
                time.sleep(0.05)
        self._expose()

    def _publish(self, way: str, count: int, *, batch: bool) -> None:
        kind = "e" if self._publications % ORDERED_EVERY else "o"
        names = [f"{kind}{self._count + number}" for number in range(count)]
        self._count += count
        self._publications += 1
        if way == "post":
            self.poster.send(names, batch=batch)
        else:
            self._ordered.append(names)
            self.publisher.send(self.stage.merchant, names, batch=batch)

    def _collect(self) -> None:
        for names in self._ordered:
            receipt = self.publisher.receipt()
            self.accepted += receipt.accepted
            self.published += receipt.accepted
            self.refused += sorted(set(names) - set(receipt.accepted))
        self.poster.finish()
        self.accepted += self.poster.accepted
        self.refused += self.poster.refused

    def _expose(self) -> None:
        """Note what is in flight at a fault: so much more may be interrupted, and come twice."""
        self.exposed.update(self.stage.in_flight())

    def _on_the_database(self, statement: str, *, hold: float = 0.0) -> None:
        with psycopg.connect(self.stage.postgres.url, autocommit=True) as session:
            session.execute(statement)
            time.sleep(hold)
            if hold:
                self._expose()  # before what waited goes on
