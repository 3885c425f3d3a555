"""The thread that stores requests about which Python decides: filters, chosen fields and order hold up nobody else.

It takes what the publisher's thread puts off. While it works others gather, so that it, too, stores many at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
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
DECIDED_OF_ONE: Final = 10
"""Requests of one merchant among them: others wait for no more than these, however many it sends."""
DECIDED_BYTES: Final = 512 * 1024
"""Bytes of bodies stored in one transaction, unless one alone has more."""


class DecidingThread:
    """Stores requests in a transaction, the merchants in turn. `deliver` takes their outcomes, on this thread."""

    def __init__(self, deliver: Callable[[Outcomes], None]) -> None:
        self._deliver = deliver
        self._arrived = threading.Condition()
        self._waiting: OrderedDict[int, deque[Job]] = OrderedDict()  # merchant's key → its requests
        self._ends = False
        self._thread = threading.Thread(target=self._work, name="deciding", daemon=True)
        self._thread.start()

    def offer(self, jobs: Sequence[Job]) -> None:
        """Take requests that were counted and checked. On any thread."""
        if not jobs:
            return
        with self._arrived:
            for job in jobs:
                self._waiting.setdefault(job.checked.merchant_id, deque()).append(job)
            self._arrived.notify()

    def stop(self, patience: float) -> None:
        """End the thread once nothing waits; wait for that, `patience` seconds at most."""
        with self._arrived:
            self._ends = True
            self._arrived.notify()
        self._thread.join(patience)

    def _work(self) -> None:
        while chunk := self._take():
            self._deliver(_decided(chunk))
        engine_session.close()

    def _take(self) -> list[Job]:
        """Wait for requests and return those to be stored next; none at the end."""
        chunk: list[Job] = []
        size = 0
        with self._arrived:
            while not self._waiting and not self._ends:
                self._arrived.wait()
            for merchant_id in list(self._waiting):
                jobs = self._waiting[merchant_id]
                for _ in range(min(DECIDED_OF_ONE, len(jobs))):
                    if len(chunk) == DECIDED_TOGETHER or size >= DECIDED_BYTES:
                        return chunk  # whoever had no turn yet, or not all of it, is first next time
                    size += len(jobs[0].request.body)
                    chunk.append(jobs.popleft())
                    if not jobs:
                        del self._waiting[merchant_id]
                if jobs:
                    self._waiting.move_to_end(merchant_id)
        return chunk


def _decided(chunk: Sequence[Job]) -> Outcomes:
    try:
        with borrowed():
            return publish_chunks.decide(chunk)
    except Exception as error:  # the thread must live, and everybody be answered
        log.exception("deciding_failed")
        return [(job.request, publish_requests.failure(job.request, error, job.site_headers, None)) for job in chunk]
