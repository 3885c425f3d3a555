"""Recording: one recorder a process writes outcomes in chunks, over all webhooks, one commit each.

Merchants have turns at its chunks (`unwritten`): none waits for all that another's endpoints have answered.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from deliveries.db import outages
from deliveries.db.outages import concerns_statement, is_outage, sqlstate
from deliveries.queueing import wakeups
from deliveries.recording import outcomes
from deliveries.recording.unwritten import UnwrittenOutcomes
from deliveries.sending.sender import Sent
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

RETRY_AFTER = (0.1, 0.2, 0.5)
"""Seconds between tries to write a chunk while the database is away; the last repeats."""
LATE_SECONDS = 0.2
"""An outcome that waits so long holds claims back, but for merchants of which hardly anything is under way."""
BEHIND_SECONDS = 1.0
BEHIND_CHUNKS = 40
"""An outcome that waits so long, or so many chunks of them, hold all claims back until the database has caught up."""
SINGLE_TRIES = 2
"""How often an outcome that fails on its own account is tried again before it is given up."""
TOGETHER_TRIES = 2
"""How often a chunk is tried again that waits for a lock, or met a deadlock, before its outcomes are written singly."""
GAP = 0.01
"""Seconds between two chunks while there is traffic: what arrives meanwhile shares the next one."""


class Recorder:
    """Collects outcomes and writes them when a chunk is full, WEBHOOKS_RECORD_WAIT has passed, or nothing else is open.

    Amid traffic it writes every GAP seconds at most, unless a chunk is full; a lone outcome waits for nothing. While
    the database is away the outcomes stay in memory and `blocked` is set: nothing more is claimed.
    """

    def __init__(self, nothing_open: Callable[[], bool], progressed: Callable[[], None]) -> None:
        self._nothing_open = nothing_open
        self._progressed = progressed
        self._queue = UnwrittenOutcomes()
        self._pending_of: Counter[int] = Counter()  # by merchant
        self._put_back: set[int] = set()  # ids of outcomes in the queue that were tried before
        self._arrived = threading.Condition()
        self._writing = 0
        self._is_idle = True
        self._last_began = 0.0
        self.blocked = False
        self._thread: threading.Thread | None = None
        self._stop = False

    @property
    def pending(self) -> int:
        """How many outcomes are not yet written."""
        return len(self._queue) + self._writing

    def pending_of(self, merchant_id: int) -> int:
        """Return how many outcomes of a merchant are not yet written."""
        return self._pending_of[merchant_id]

    @property
    def is_late(self) -> bool:
        """Tell whether outcomes wait for long: what is claimed now would wait behind them."""
        return self._waits() > LATE_SECONDS

    @property
    def behind(self) -> bool:
        """Tell whether outcomes wait too long or too many: more claims would run out before they are recorded."""
        return self._waits() > BEHIND_SECONDS or self.pending > BEHIND_CHUNKS * settings.WEBHOOKS_RECORD_CHUNK

    def put(self, sent: Sent) -> None:
        """Take an outcome; called on sending threads."""
        with self._arrived:
            self._queue.add(sent)
            self._pending_of[sent.row.webhook.merchant_id] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=wakeups.RECORDER, daemon=True)
                self._thread.start()
            if self._is_idle or len(self._queue) >= settings.WEBHOOKS_RECORD_CHUNK:
                self._is_idle = False
                self._arrived.notify()

    def nudge(self) -> None:
        """Look again: a send has finished, perhaps the last one."""
        if self._queue and self._nothing_open():
            with self._arrived:
                self._arrived.notify()

    def drain(self, seconds: float) -> bool:
        """Wait until all is written. True when it is."""
        self._stop = True
        deadline = time.monotonic() + seconds
        while self.pending and time.monotonic() < deadline:
            with self._arrived:
                self._arrived.notify()
            time.sleep(0.01)
        return not self.pending

    def _run(self) -> None:
        while True:
            chunk = self._next_chunk()
            if chunk:
                self._write(chunk)

    def _next_chunk(self) -> list[Sent]:
        with self._arrived:
            while not self._queue:
                self._is_idle = True
                self._arrived.wait()
            self._is_idle = False
        self._rest()
        with self._arrived:
            until = time.monotonic() + settings.WEBHOOKS_RECORD_WAIT
            while not self._is_due():
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._arrived.wait(left)
            self._writing = min(len(self._queue), settings.WEBHOOKS_RECORD_CHUNK)  # first: `pending` is never 0 between
            return self._queue.take(self._writing)

    def _waits(self) -> float:
        """Return the seconds for which the oldest outcome has waited."""
        with self._arrived:
            oldest = self._queue.oldest()
        return 0.0 if oldest is None else time.monotonic() - oldest.finished

    def _rest(self) -> None:
        """Let more outcomes come where the last chunk was written a moment ago."""
        left = self._last_began + GAP - time.monotonic()
        if left > 0 and len(self._queue) < settings.WEBHOOKS_RECORD_CHUNK and not self._stop:
            time.sleep(left)
        self._last_began = time.monotonic()

    def _is_due(self) -> bool:
        """Tell whether what is there is to be written now: a full chunk, or as much as will come."""
        return len(self._queue) >= settings.WEBHOOKS_RECORD_CHUNK or self._stop or self._nothing_open()

    def _write(self, chunk: list[Sent], *, again: bool = False) -> None:
        """Write a chunk, however long the database is away; `again`: it may be written already."""
        again = again or any(id(sent) in self._put_back for sent in chunk)
        outage_tries = own_tries = 0
        while True:
            try:
                recorded = outcomes.record(chunk, again=again)
                break
            except Exception as error:
                again = True
                outage = is_outage(error)
                if outage and not (concerns_statement(error) and outage_tries >= TOGETHER_TRIES):
                    self._wait_out(error, len(chunk), outage_tries)
                    outage_tries += 1
                elif len(chunk) > 1:
                    self._write_singly(chunk)
                    return
                elif outage:
                    self._put_at_the_end(chunk[0], error)
                    return
                elif own_tries >= SINGLE_TRIES:
                    log.exception("outcome_lost", **chunk[0].row.named)
                    self._done(chunk)
                    return
                else:
                    own_tries += 1
        try:
            # Before the dispatcher is told that outcomes were recorded: it looks at the webhooks next.
            wakeups.wake(recorded.still_due)
            for delay, webhook_ids in recorded.countdowns.items():
                wakeups.wake_later(webhook_ids, delay)
        except Exception:
            log.exception("wake_up_failed")  # the sweep finds these webhooks; this thread must go on
        self._done(chunk)

    def _wait_out(self, error: Exception, outcomes: int, tries: int) -> None:
        self.blocked = True
        if not concerns_statement(error):
            outages.note()
        log.warning("record_failed", outcomes=outcomes, error=str(error)[:200], sqlstate=sqlstate(error))
        time.sleep(RETRY_AFTER[min(tries, len(RETRY_AFTER) - 1)])

    def _write_singly(self, chunk: list[Sent]) -> None:
        """Keep one bad outcome (its delivery was purged, its row is locked) from holding up the others.

        Of the chunk's two commits one may have gone through.
        """
        for sent in chunk:
            self._write([sent], again=True)

    def _put_at_the_end(self, sent: Sent, error: Exception) -> None:
        """Let the others go before an outcome that waits for a lock, say; it is tried with the next chunk again."""
        log.warning("record_put_off", **sent.row.named, error=str(error)[:200], sqlstate=sqlstate(error))
        time.sleep(RETRY_AFTER[0])
        with self._arrived:
            self._put_back.add(id(sent))
            self._queue.add(sent)
            self._writing -= 1
        self.blocked = False
        self._progressed()

    def _done(self, chunk: list[Sent]) -> None:
        self._put_back.difference_update(map(id, chunk))
        # After an outage the outcomes in hand are written first: their claims have run out and would be sent again.
        self.blocked = self.blocked and bool(self._queue)
        self._writing -= len(chunk)
        with self._arrived:
            self._pending_of -= Counter(sent.row.webhook.merchant_id for sent in chunk)  # without those at 0
        self._progressed()
