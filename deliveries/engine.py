"""One sender and one recorder a process, made on first use and shared by every shift."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import structlog

from deliveries import claims, lanes
from deliveries.claims import Claimed
from deliveries.recorder import Recorder
from deliveries.sender import Sender

log = structlog.get_logger(__name__)


class Engine:
    """The working parts of a process and the news between them."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self.recorder = Recorder(nothing_open=lambda: self.sender.open == 0, progressed=self._tell)
        self.sender = Sender(sent=self.recorder.put, unsent=self._release, finished=self.recorder.nudge)
        self.shifts: set[str] = set()
        self.stopping = False

    @property
    def busy(self) -> bool:
        """Tell whether outcomes are to come soon: fast sends are open, or something is not yet recorded."""
        return self.sender.fast_open > 0 or self.recorder.pending > 0

    def wait_for_news(self, seconds: float) -> None:
        """Wait until outcomes were recorded, or for `seconds`."""
        with self._news:
            self._news.wait(seconds)

    def begin_stop(self) -> None:
        """Claim nothing more and release what has not left; returns at once, safe in a signal handler."""
        self.stopping = self.sender.stopping = True

    def stop(self, seconds: float) -> bool:
        """Stop, wait up to `seconds` for what has left, and record it. True when all is done."""
        self.begin_stop()
        deadline = time.monotonic() + seconds
        sent = self.sender.drain(seconds)
        recorded = self.recorder.drain(max(0.0, deadline - time.monotonic()))
        return sent and recorded

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def _release(self, row: Claimed) -> None:
        claims.release([row])
        lanes.wake([row.target.webhook_id])


_making = threading.RLock()  # re-entered by a signal handler on the thread that holds it


def engine() -> Engine:
    """Return this process' engine."""
    with _making:
        return _made()


@lru_cache(maxsize=1)
def _made() -> Engine:
    return Engine()
