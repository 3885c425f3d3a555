"""Publishing requests that arrive together, on one thread: the busier it is, the less each of them costs.

The loop puts requests on a list and wakes the thread once for all that came in the same moment. The thread takes what
is there, CHUNK at most, and hands all answers over in one call. While it works others gather.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from deliveries.api import publish_requests
from deliveries.api.deciding_thread import DecidingThread
from deliveries.api.publish_chunks import Chunks, Outcomes
from deliveries.api.publish_requests import Headers, Request
from deliveries.db import engine_session
from deliveries.db.sessions import borrowed
from subscriptions.logs import get_logger

log = get_logger(__name__)

CHUNK: Final = 200
"""Requests stored together at most."""
CHUNK_BYTES: Final = 512 * 1024
"""Bytes of bodies stored together, unless one alone has more."""
GATHER: Final = 0.002
"""Seconds for which the thread waits, amid traffic, for as many requests as there were a moment ago."""


class Publisher:
    """Answers requests to publish that need no view.

    Args:
        call_soon: The loop's.
        deliver: Takes the outcomes of a chunk, on the publisher's thread; no answer leaves a request to its view.
        site_headers: Returns the headers that the site's middleware sets on every answer to such a request; None where
            it would answer itself (an unknown host, a redirect to https).
    """

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], Any],
        deliver: Callable[[Outcomes], None],
        site_headers: Callable[[Any], Headers | None],
    ) -> None:
        self._call_soon, self._deliver = call_soon, deliver
        self._chunks = Chunks(site_headers)
        self._deciding = DecidingThread(deliver)
        self._waiting: deque[tuple[Request, str]] = deque()
        self._is_idle = False
        self._is_called = False
        self._bell = threading.Semaphore(0)
        self._wanted = 1  # requests for which the idle thread is called
        self._recent = 0  # requests that were there at once a moment ago
        self._ends = False
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def offer(self, request: Request) -> bool:
        """Take a request if it is publish_requests. On the loop's thread; costs it microseconds."""
        token = publish_requests.token_of(request)
        if token is None:
            return False
        self._waiting.append((request, token))
        if self._is_idle and not self._is_called and len(self._waiting) >= self._wanted:
            self._is_called = True
            self._call_soon(self._wake)  # after whatever else has arrived in this turn of the loop
        return True

    def stop(self, patience: float) -> None:
        """End the threads once nothing waits; wait for that, `patience` seconds at most."""
        ends_at = time.monotonic() + patience
        self._ends = True
        self._bell.release()
        self._thread.join(patience)
        self._deciding.stop(max(0.0, ends_at - time.monotonic()))

    def _wake(self) -> None:
        self._is_called = False
        if self._is_idle:
            self._is_idle = False
            self._bell.release()

    # --- the thread --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._gather()
            if chunk := self._take():
                self._recent = len(chunk)
                self._carry_out(chunk)
                self._recent += len(self._waiting)  # of those that were answered, some come again at once
                continue
            self._recent = 0
            if self._ends:
                engine_session.close()
                return
            self._is_idle = True
            # What came between the look and the word would ring no bell: look again.
            if not self._waiting:
                self._bell.acquire()
            self._is_idle = False

    def _gather(self) -> None:
        """Wait a moment for the clients that were here a moment ago: those that wait for answers come again at once.

        A lone client's request waits for nothing.
        """
        if self._recent < 2 or len(self._waiting) >= self._recent or self._ends:
            return
        self._wanted = min(self._recent, CHUNK)
        self._is_idle = True
        if len(self._waiting) < self._wanted:
            self._bell.acquire(timeout=GATHER)
        self._is_idle = False
        self._wanted = 1
        self._bell.acquire(blocking=False)  # what was rung for meanwhile is seen next

    def _take(self) -> list[tuple[Request, str]]:
        chunk: list[tuple[Request, str]] = []
        size = 0
        while self._waiting and len(chunk) < CHUNK and (size < CHUNK_BYTES or not chunk):
            size += len(self._waiting[0][0].body)
            chunk.append(self._waiting.popleft())
        return chunk

    def _carry_out(self, chunk: list[tuple[Request, str]]) -> None:
        try:
            with borrowed():
                outcomes, put_off = self._chunks.carry_out(chunk)
        except Exception as error:  # the thread must live, and everybody be answered
            log.exception("publisher_failed")
            outcomes = [(request, publish_requests.failure(request, error, [], None)) for request, _token in chunk]
            put_off = []
        self._deliver(outcomes)
        self._deciding.offer(put_off)
