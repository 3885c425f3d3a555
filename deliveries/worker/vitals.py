"""Whether this worker process still takes tasks: what its health check, its heartbeat and the doctor go by.

A worker can run, send heartbeats and answer Celery's ping, and take no task: its main thread hangs in a call to the
broker, or the broker has forgotten that it consumes. So the consumer's loop says every second that it came round, and a
thread compares it with the queues: messages that wait while this process has places for them, and takes none, tell the
rest. While the consumer looks for a broker that is away nothing is wrong with the process.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from deliveries.queueing import broker
from deliveries.worker import health_files
from subscriptions.logs import get_logger

log = get_logger(__name__)

ROUND_LATE: Final = 20.0
"""Seconds within which the consumer's loop comes round, or it hangs."""
UNTAKEN_FOR: Final = 30.0
"""Seconds for which messages may wait at a process that has places for them."""
LOOK_EVERY: Final = 10.0
"""Seconds between two looks at the queues."""
TELL_EVERY: Final = 2.0
"""Seconds between two times that the health file is written."""


class Vitals:
    """The signs of life of a worker's consumer; monotonic seconds.

    Attributes:
        has_room: Tells whether this process could begin with one more task.
        queues: Those it consumes.
    """

    def __init__(self) -> None:
        self.has_room: Callable[[], bool] = lambda: False
        self.queues: frozenset[str] = frozenset()
        self._came_round: float | None = None  # None: no consumer of ours tells
        self._waits_for_broker = False
        self._taken_at = 0.0
        self._untaken_since: float | None = None
        self._said = ""
        self._ends = threading.Event()
        self._watcher: threading.Thread | None = None

    def come_round(self) -> None:
        """Say that the consumer's loop runs; on its thread, every second."""
        self._came_round = time.monotonic()

    def note_taken(self) -> None:
        """Say that a task has begun."""
        self._taken_at = time.monotonic()

    @contextlib.contextmanager
    def waiting_for_broker(self) -> Iterator[None]:
        """Say that the consumer looks for its broker, for the length of a block."""
        self._waits_for_broker = True
        try:
            yield
        finally:
            self.come_round()  # what follows has ROUND_LATE seconds
            self._waits_for_broker = False

    def complaint(self) -> str:
        """Return why this process takes no tasks, or nothing."""
        now, came_round, since = time.monotonic(), self._came_round, self._untaken_since
        if came_round is None or self._waits_for_broker:
            return ""
        if now - came_round > ROUND_LATE:
            return f"its consumer hangs: the loop has not come round for {now - came_round:.0f} s"
        if since is not None and now - since > UNTAKEN_FOR:
            return f"messages wait, it has places for them, and has taken none for {now - since:.0f} s"
        return ""

    def look(self) -> None:
        """Compare with the queues; a broker that doesn't tell says nothing about this process."""
        lengths = {} if self._waits_for_broker else broker.queue_lengths() or {}
        waits = any(count for queue, count in lengths.items() if queue in self.queues) and self.has_room()
        if not waits or (self._untaken_since is not None and self._taken_at > self._untaken_since):
            self._untaken_since = None
        if waits and self._untaken_since is None:
            self._untaken_since = time.monotonic()

    def start(self, folder: Path | None) -> None:
        """Look, and write the health file in `folder` if that is given, until `stop`; on a thread of its own."""
        self._watcher = threading.Thread(target=self._watch, args=(folder,), name="vitals", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the thread, which removes the health file."""
        self._ends.set()
        if self._watcher is not None:
            self._watcher.join(TELL_EVERY)

    def _watch(self, folder: Path | None) -> None:
        if folder is not None:
            health_files.remove(folder)  # what processes that died have left
        look_at = time.monotonic() + LOOK_EVERY
        while not self._ends.wait(TELL_EVERY):
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_EVERY
                try:
                    self.look()
                except Exception:  # what goes wrong here says nothing of the consumer
                    log.exception("vitals_look_failed")
            self.tell(folder)
        if folder is not None:
            health_files.remove(folder)

    def tell(self, folder: Path | None) -> None:
        """Write the health file, and a line to the log where there is something new to complain of."""
        complaint = self.complaint()
        if complaint and not self._said:
            log.error("worker_takes_no_tasks", reason=complaint)
        self._said = complaint
        if folder is not None:
            try:
                health_files.write(folder, complaint)
            except OSError as error:
                log.warning("health_file_not_written", folder=str(folder), error=str(error))


vitals = Vitals()
