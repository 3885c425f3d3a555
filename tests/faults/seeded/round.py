"""A round: two workers, a publisher, seeded receivers, and the happenings of a schedule carried out on them."""

from __future__ import annotations

import signal
import time
from collections import Counter

import psycopg

from tests.faults.seeded.manners import SeededReceiver
from tests.faults.seeded.schedule import Happening
from tests.faults.stage import Key, Stage
from tests.processes import GRACE, Process, halted, is_ready

WEBHOOKS = 6
DELAYS = [0.5, 0.5, 1, 1, 1]
TIMEOUT = 1.5
CLAIM_GRACE = 2
ENGINE = {"WEBHOOKS_CLAIM_GRACE": CLAIM_GRACE, "WEBHOOKS_SLOW_AFTER": 0.5}
DRAIN = 90.0
"""Seconds after the last happening within which nothing may be open any more; generous, for machines that are busy."""


class Round:
    """Carries happenings out and keeps the publisher's side of the ledger.

    Attributes:
        accepted, refused: What `publish` said of the events: how many of the refused were stored all the same nobody
            can know, as with any database whose answer to a commit was lost.
        exposed: How often each delivery was in flight when something died: so often it may come twice.
    """

    def __init__(self, stage: Stage, receiver: SeededReceiver) -> None:
        self.stage = stage
        self.receiver = receiver
        self.webhooks = [
            stage.webhook(f"{receiver.base}/{number}", timeout=TIMEOUT, retry_policy={"delays": DELAYS})
            for number in range(WEBHOOKS)
        ]
        self.publisher = stage.publisher()
        self.workers = [stage.worker(wait=False, **ENGINE) for _ in range(2)]
        self.told_to_end: list[Process] = []
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self.exposed: Counter[Key] = Counter()
        self._ordered: list[list[str]] = []
        self._count = 0

    def run(self, happenings: list[Happening]) -> None:
        """Carry out, then wait until nothing is open any more."""
        for child in self.workers:
            child.wait_until(lambda child=child: is_ready(child))
        began = time.monotonic()
        for happening in happenings:
            time.sleep(max(0.0, began + happening.at - time.monotonic()))
            self._carry_out(happening)
        self._collect()
        deadline = time.monotonic() + DRAIN
        while self._open():
            assert time.monotonic() < deadline, f"after {DRAIN:g} s the log says {self.stage.statuses()}"
            time.sleep(0.2)
        for child in self.told_to_end:
            assert child.wait(GRACE) == 0, child.tail()
        for child in self.workers:
            assert child.runs, f"a worker ended by itself:\n{child.tail()}"

    def _open(self) -> int:
        return sum(self.stage.statuses().get(status, 0) for status in ("pending", "sending", "retrying"))

    def _carry_out(self, happening: Happening) -> None:
        match happening.what.split():
            case ["publish", *batch]:
                self._publish(int(happening.size), batch=bool(batch))
            case ["kill", "a", "worker"]:
                self._replace(happening).kill()
                self._expose()
            case ["end", "a", "worker"]:
                child = self._replace(happening)
                if is_ready(child):  # one that is still starting ends as any program does
                    self.told_to_end.append(child)
                child.terminate()
            case ["flush", "redis"]:
                self.stage.flush()
            case ["stop" | "kill" as how, "redis"]:
                self.stage.valkey.end(signal.SIGTERM if how == "stop" else signal.SIGKILL)
                time.sleep(happening.size)
                self.stage.valkey.resume()
            case ["stall", "redis"]:
                with halted(self.stage.valkey.pid):
                    time.sleep(happening.size)
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
                self._on_the_database("BEGIN; LOCK TABLE deliveries_attempt", hold=happening.size)
                self._expose()
            case _:
                raise AssertionError(f"nobody knows how to {happening.what}")

    def _publish(self, count: int, *, batch: bool) -> None:
        names = [f"e{self._count + number}" for number in range(count)]
        self._count += count
        self._ordered.append(names)
        self.publisher.send(self.stage.merchant, names, batch=batch)

    def _collect(self) -> None:
        for names in self._ordered:
            receipt = self.publisher.receipt()
            self.accepted += receipt.accepted
            self.refused += sorted(set(names) - set(receipt.accepted))

    def _replace(self, happening: Happening) -> Process:
        """Take a worker out, which is about to end, and start another in its place."""
        place = int(happening.size * 10) % len(self.workers)
        child, self.workers[place] = self.workers[place], self.stage.worker(wait=False, **ENGINE)
        return child

    def _expose(self) -> None:
        self.exposed.update(self.stage.in_flight())

    def _on_the_database(self, statement: str, *, hold: float = 0.0) -> None:
        with psycopg.connect(self.stage.postgres.url, autocommit=True) as session:
            session.execute(statement)
            time.sleep(hold)
