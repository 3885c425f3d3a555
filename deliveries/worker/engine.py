"""The working parts of a worker process: one sender, one recorder, at most one dispatcher on duty."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

from deliveries.queueing import claims, wakeups
from deliveries.queueing.claims import Claimed
from deliveries.recording.recorder import Recorder
from deliveries.sending.merchant_shares import Share
from deliveries.sending.sender import Sender
from subscriptions.logs import get_logger

log = get_logger(__name__)


class Engine:
    """The parts of a process, and what they tell each other."""

    def __init__(self) -> None:
        self._progress = threading.Condition()
        self._duty = threading.Lock()
        self.recorder = Recorder(nothing_open=lambda: self.sender.open == 0, progressed=self._tell)
        self.sender = Sender(sent=self.recorder.put, unsent=self._release, finished=self.recorder.nudge)
        self.dispatcher_id: str | None = None
        self.hands_over = False
        self.stopping = False

    @property
    def busy(self) -> bool:
        """Tell whether outcomes are to come soon: fast sends are open, or something is not yet recorded."""
        return self.sender.fast_open > 0 or self.recorder.pending > 0

    def held_of(self, merchant_id: int) -> int:
        """Return how many deliveries of a merchant are being sent here, or were and are not yet recorded."""
        return self.sender.open_of(merchant_id) + self.recorder.pending_of(merchant_id)

    def share(self) -> Share:
        """Return what a claim may give to each merchant now."""
        share = self.sender.share()
        return share.for_few() if self.recorder.is_late else share

    def go_on_duty(self, dispatcher_id: str) -> bool:
        """Make this the process' dispatcher; False when it has one."""
        with self._duty:
            if self.dispatcher_id is not None:
                return False
            self.dispatcher_id = dispatcher_id
            return True

    def go_off_duty(self) -> None:
        """Let the process have no dispatcher."""
        with self._duty:
            self.dispatcher_id = None

    def wait_for_progress(self, seconds: float) -> None:
        """Wait until outcomes were recorded, or for `seconds`."""
        with self._progress:
            self._progress.wait(seconds)

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
        with self._progress:
            self._progress.notify_all()

    def _release(self, row: Claimed) -> None:
        claims.release([row])
        wakeups.wake([row.webhook.webhook_id])


_making = threading.RLock()  # re-entered by a signal handler on the thread that holds it


def engine() -> Engine:
    """Return this process' engine, made at the first call."""
    with _making:
        return _made()


@lru_cache(maxsize=1)
def _made() -> Engine:
    return Engine()
