"""A fixed number of threads that run jobs, the clients in turn; no client has all of them, and slow ones have half."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from deliveries.db import engine_session
from subscriptions.logs import get_logger
from webhooks_project.server.turns import Turns, has_share

log = get_logger(__name__)

SLOW_SECONDS: Final = 0.5
"""A client is slow whose last job took so long, or one of whose jobs has run for so long."""
SLOW_MAX: Final = 4096
"""Slow clients that are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Something to run for a client."""

    client: str
    run: Callable[[], None]


class Shares:
    """Which client may have another of so many threads. Under its caller's lock.

    A slow client has one at a time, and all slow ones together have half of the threads (ADR 0054).
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._of_slow_max = max(1, threads // 2)
        self._running: dict[Job, float] = {}  # since when
        self._of: Counter[str] = Counter()
        self._slow: OrderedDict[str, None] = OrderedDict()

    def may(self, client: str) -> bool:
        """Tell whether a client may have one more thread."""
        own, free = self._of[client], self._threads - len(self._running)
        if not self._is_slow(client):
            return has_share(own, free)
        return free > 0 and own == 0 and sum(map(self._is_slow, self._of)) < self._of_slow_max

    def begin(self, job: Job) -> None:
        """Note that a job has a thread."""
        self._running[job] = time.monotonic()
        self._of[job.client] += 1

    def end(self, job: Job) -> None:
        """Note that it has none any more, and how long it took."""
        client, began = job.client, self._running.pop(job)
        self._of[client] -= 1
        if not self._of[client]:
            del self._of[client]
        self._slow.pop(client, None)
        if time.monotonic() - began >= SLOW_SECONDS:
            self._slow[client] = None
            if len(self._slow) > SLOW_MAX:
                self._slow.popitem(last=False)

    def _is_slow(self, client: str) -> bool:
        if client in self._slow:
            return True
        now = time.monotonic()
        return any(now - began >= SLOW_SECONDS for job, began in self._running.items() if job.client == client)


class Threads:
    """Cheaper than concurrent.futures, whose futures and locks a job of a web page has no use for."""

    def __init__(self, name: str, count: int) -> None:
        self._change = threading.Condition()
        self._waiting: Turns[Job] = Turns()
        self._shares = Shares(count)
        self._ends = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def backlog(self) -> int:
        """Jobs that wait for a thread."""
        return len(self._waiting)

    def backlog_of(self, client: str) -> int:
        """Jobs of a client that wait for a thread."""
        return self._waiting.count_of(client)

    def run(self, job: Callable[[], None], client: str = "") -> None:
        """Have the job run, when it is its client's turn. What it raises is logged."""
        with self._change:
            self._waiting.add(client, Job(client, job))
            self._change.notify()

    def stop(self, patience: float) -> None:
        """Let the threads end after the jobs there are; wait for that, `patience` seconds at most."""
        with self._change:
            self._ends = True
            self._change.notify_all()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (job := self._take()) is not None:
            try:
                job.run()
            except Exception:  # a thread must outlive its jobs
                log.exception("web_job_failed")
            with self._change:
                self._shares.end(job)
        engine_session.close()  # the thread's own, if it has published

    def _take(self) -> Job | None:
        """Wait for a job and return it; None at the end."""
        with self._change:
            while True:
                if (job := self._waiting.take(self._shares.may)) is not None:
                    self._shares.begin(job)
                    self._change.notify()  # where another may have a thread as well
                    return job
                if self._ends and not self._waiting:
                    self._change.notify_all()
                    return None
                self._change.wait()
