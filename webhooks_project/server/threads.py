"""A fixed number of threads that run jobs in the order they came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from deliveries.db import engine_session
from subscriptions.logs import get_logger

log = get_logger(__name__)


class Threads:
    """Cheaper than concurrent.futures, whose futures and locks a job of a web page has no use for."""

    def __init__(self, name: str, count: int) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def backlog(self) -> int:
        """Jobs that wait for a thread."""
        return self._jobs.qsize()

    def run(self, job: Callable[[], None]) -> None:
        """Have the job run. What it raises is logged."""
        self._jobs.put(job)

    def stop(self, patience: float) -> None:
        """Let the threads end after the jobs there are; wait for that, `patience` seconds at most."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # a thread must outlive its jobs
                log.exception("web_job_failed")
        engine_session.close()  # the thread's own, if it has published
