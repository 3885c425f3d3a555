"""The thread that stores requests about which Python decides: filters, chosen fields and order hold up nobody else.

It takes what the publisher's thread puts off. While it works others gather, so that it, too, stores many at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from deliveries.api import publish_chunks, publish_requests
from deliveries.api.publish_chunks import Job, Outcomes
from deliveries.db import engine_session
from deliveries.db.sessions import borrowed
from subscriptions.logs import get_logger

log = get_logger(__name__)

DECIDED_TOGETHER: Final = 50
"""Requests stored in one transaction at most: its locks on counters and groups are held for all of them."""
DECIDED_BYTES: Final = 512 * 1024
"""Bytes of bodies stored in one transaction, unless one alone has more."""


class DecidingThread:
    """Stores requests in a transaction. `deliver` takes their outcomes, on this thread."""

    def __init__(self, deliver: Callable[[Outcomes], None]) -> None:
        self._deliver = deliver
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="deciding", daemon=True)
        self._thread.start()

    def offer(self, jobs: Sequence[Job]) -> None:
        """Take requests that were counted and checked. On any thread."""
        for job in jobs:
            self._waiting.put(job)

    def stop(self, patience: float) -> None:
        """End the thread once nothing waits; wait for that, `patience` seconds at most."""
        self._waiting.put(None)
        self._thread.join(patience)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            chunk, size = [job], len(job.request.body)
            while len(chunk) < DECIDED_TOGETHER and size < DECIDED_BYTES and not self._waiting.empty():
                if (job := self._waiting.get()) is None:
                    self._waiting.put(None)  # for the next turn
                    break
                chunk.append(job)
                size += len(job.request.body)
            self._deliver(_decided(chunk))
        engine_session.close()


def _decided(chunk: Sequence[Job]) -> Outcomes:
    try:
        with borrowed():
            return publish_chunks.decide(chunk)
    except Exception as error:  # the thread must live, and everybody be answered
        log.exception("deciding_failed")
        return [(job.request, publish_requests.failure(job.request, error, job.site_headers, None)) for job in chunk]
