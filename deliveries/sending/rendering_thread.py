"""The thread on which tenants' expressions make requests: merchants in turn, and half of its time at rest.

Transformations and chosen fields are programs of strangers. On the dispatcher's thread a few hundred dear ones would
hold up everybody's deliveries; here they hold up their own merchant's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final

from subscriptions.logs import get_logger

log = get_logger(__name__)

SLICE: Final = 0.005
"""Seconds of processor time after which the thread rests as long, and another merchant has its turn."""
REST_MAX: Final = 0.25
"""Seconds it rests at most, however long one evaluation took: what an evaluation may take at most."""
AHEAD_MAX: Final = 64
"""Deliveries of one merchant that wait for their turn before no more of its webhooks' that wait here are claimed."""

Job = Callable[[], None]


class RenderingThread:
    """Runs jobs of merchants on one thread, in turn. It starts with the first job."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._waiting: OrderedDict[int, deque[tuple[int, Job]]] = OrderedDict()  # merchant's key → its webhooks' jobs
        self._webhooks: Counter[int] = Counter()  # webhook → how many of its jobs wait
        self._merchants: dict[int, int] = {}  # webhook → merchant's key, of those
        self._full: set[int] = set()  # keys of merchants of whom AHEAD_MAX wait
        self._thread: threading.Thread | None = None

    def submit(self, merchant_id: int, webhook_id: int, job: Job) -> None:
        """Let the merchant's turn come for `job`, which raises nothing. On any thread."""
        with self._arrived:
            jobs = self._waiting.setdefault(merchant_id, deque())
            jobs.append((webhook_id, job))
            if len(jobs) >= AHEAD_MAX:
                self._full.add(merchant_id)
            self._webhooks[webhook_id] += 1
            self._merchants[webhook_id] = merchant_id
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rendering", daemon=True)
                self._thread.start()
            self._arrived.notify()

    def behind(self, webhook_ids: Iterable[int]) -> set[int]:
        """Return those of which jobs wait, and AHEAD_MAX of their merchant's beside: claiming more helps nobody."""
        if not self._full:
            return set()
        with self._arrived:
            return {pk for pk in webhook_ids if self._merchants.get(pk) in self._full}

    def _work(self) -> None:
        spent = 0.0
        while True:
            merchant_id, job, waited = self._take()
            began = time.thread_time()
            try:
                job()
            except Exception:  # others' turns must come
                log.exception("rendering_failed")
            spent = (0.0 if waited else spent) + time.thread_time() - began
            if spent >= SLICE:
                self._end_turn(merchant_id)
                time.sleep(min(spent, REST_MAX))  # those who claim, send and record share this process' interpreter
                spent = 0.0

    def _take(self) -> tuple[int, Job, bool]:
        """Return the next job and its merchant's key, and whether it had to be waited for."""
        with self._arrived:
            waited = not self._waiting
            while not self._waiting:
                self._arrived.wait()
            merchant_id, jobs = next(iter(self._waiting.items()))
            webhook_id, job = jobs.popleft()
            if not jobs:
                del self._waiting[merchant_id]
            if len(jobs) < AHEAD_MAX:
                self._full.discard(merchant_id)
            self._webhooks[webhook_id] -= 1
            if not self._webhooks[webhook_id]:
                del self._webhooks[webhook_id], self._merchants[webhook_id]
            return merchant_id, job, waited

    def _end_turn(self, merchant_id: int) -> None:
        with self._arrived:
            if merchant_id in self._waiting:
                self._waiting.move_to_end(merchant_id)
