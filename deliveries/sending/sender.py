"""Sending: one sender a process, many requests side by side, nobody waits for a single one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings

from deliveries.db.sessions import clock
from deliveries.queueing.claims import Claimed
from deliveries.sending import resolvers
from deliveries.sending.masking import without_echo
from deliveries.sending.process_transport import transport
from deliveries.sending.rendering import render
from deliveries.transport import ErrorClass, Outcome, Request

log = structlog.get_logger(__name__)

FAST = 1.0
"""Seconds for which an open request counts as one whose outcome comes soon."""


@dataclass(slots=True)
class Sent:
    """A request that was made, and its outcome. Monotonic seconds; `request` is None when it couldn't be rendered."""

    row: Claimed
    request: Request | None
    outcome: Outcome
    started: float
    finished: float


class Sender:
    """Sends claimed deliveries on its own threads.

    `sent` receives each outcome, `unsent` each row that was not sent: its claim no longer covers the deadline, or the
    process is stopping. `finished` follows, once the row's slot is free. All are called on the sending thread.
    """

    def __init__(
        self, *, sent: Callable[[Sent], None], unsent: Callable[[Claimed], None], finished: Callable[[], None]
    ) -> None:
        self._sent = sent
        self._unsent = unsent
        self._finished = finished
        self._open: dict[int, tuple[float, Claimed]] = {}
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(settings.WEBHOOKS_OPEN_REQUESTS_MAX, thread_name_prefix="send")
        self.loaded_bytes = 0
        self.stopping = False

    @property
    def open(self) -> int:
        """How many rows were submitted and are not finished."""
        return len(self._open)

    @property
    def fast_open(self) -> int:
        """How many of them are younger than FAST seconds: their outcomes are to come soon."""
        since = time.monotonic() - FAST
        with self._lock:
            return sum(1 for submitted, _row in self._open.values() if submitted > since)

    def free(self) -> int:
        """Return how many more rows may be submitted."""
        with self._lock:
            return max(0, settings.WEBHOOKS_OPEN_REQUESTS_MAX - len(self._open))

    def has_poison_candidate(self) -> bool:
        """Tell whether a delivery whose worker died twice is being sent here now."""
        with self._lock:
            return any(row.is_poison_candidate for _submitted, row in self._open.values())

    def submit(self, rows: Sequence[Claimed]) -> None:
        """Send these rows, each on a thread of its own."""
        now = time.monotonic()
        with self._lock:
            for row in rows:
                self._open[row.delivery_id] = (now, row)
                self.loaded_bytes += row.size
        for row in rows:
            self._executor.submit(self._work, row)

    def drain(self, seconds: float) -> bool:
        """Wait for what has left. True when nothing is open any more."""
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._open

    def _work(self, row: Claimed) -> None:
        try:
            sent = self._send(row)
            if sent is None:
                self._unsent(row)
            else:
                self._sent(sent)
        except Exception:
            log.exception("send_failed", delivery=row.public_id)
        finally:
            with self._lock:
                self._open.pop(row.delivery_id, None)
                self.loaded_bytes -= row.size
            self._finished()

    def _may_send(self, row: Claimed) -> bool:
        """Tell whether the claim still covers the request's whole deadline: two workers never send one row at once."""
        return (
            not self.stopping and clock.at(time.monotonic()) + timedelta(seconds=row.target.timeout) <= row.expires_at
        )

    def _send(self, row: Claimed) -> Sent | None:
        """Make the request and send it; None when it must not be sent any more."""
        if not self._may_send(row):
            return None
        started = time.monotonic()
        try:
            request = render(row, resolvers.freshest(row), clock.at(started))
        except ValueError as error:
            return _unmade(row, f"The request could not be made: {error}", started, permanent=True)
        except Exception as error:
            log.exception("render_failed", delivery=row.public_id)
            what = type(error).__name__
            return _unmade(row, f"The request could not be made ({what}); the sender's log says why.", started)
        if not self._may_send(row):  # asked again: a source's resolver takes as long as it takes
            took = time.monotonic() - started
            why = f"The source took {took:.1f} s to give the resource as it is now, so this attempt was not sent."
            return None if self.stopping else _unmade(row, why, started)
        outcome = without_echo(transport().send(request), request, row.target.secrets)
        return Sent(row, request, outcome, started, time.monotonic())


def _unmade(row: Claimed, detail: str, started: float, *, permanent: bool = False) -> Sent:
    outcome = Outcome(error=ErrorClass.INTERNAL, detail=detail, total_ms=0.0, permanent=permanent)
    return Sent(row, None, outcome, started, time.monotonic())
