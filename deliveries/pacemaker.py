"""The pacemaker: a thread in every worker process that lets hearts beat, and, in the elected one, sweeps due lanes."""

from __future__ import annotations

import threading
import time

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from deliveries import claims, closing, lanes, ordering
from deliveries.database import borrowed
from deliveries.egress import close_idle
from deliveries.engine import engine
from deliveries.ordering import Line

log = structlog.get_logger(__name__)

BEAT = 0.5
"""Seconds between heartbeats; lanes.STALE_MS is three of them."""
OFFICE = 1.5
"""Seconds for which a pacemaker is elected; two for a moment are harmless, none for long is late."""
HEAL_INTERVAL = 5.0
"""Seconds between two rounds of looks at all lines with a delivery open or in review, for one that stands still."""
HEAL_SLICE = 0.2
"""Seconds a look takes, about; a long round goes on with the next sweep, for hearts must beat meanwhile."""


class Pacemaker(threading.Thread):
    """Beats for the process and its shifts, marks slow lanes, and sweeps when elected."""

    def __init__(self, queues: frozenset[str]) -> None:
        super().__init__(name="pacemaker", daemon=True)
        self._queues = queues
        self._stopped = threading.Event()
        self._healed = ordering.FRONT

    def stop(self) -> None:
        """End the thread after its current round."""
        self._stopped.set()

    def run(self) -> None:
        """Beat and sweep until stopped; a failure costs one round."""
        sweep_at = heal_at = 0.0
        while True:
            try:
                self._beat()
                if time.monotonic() >= sweep_at:
                    sweep_at = time.monotonic() + settings.WEBHOOKS_SWEEP_INTERVAL
                    if lanes.elect(OFFICE):
                        sweep()
                        if time.monotonic() >= heal_at:
                            self._healed = heal(self._healed)
                            heal_at = time.monotonic() + (HEAL_INTERVAL if self._healed == ordering.FRONT else 0)
            except (DatabaseError, InterfaceError) as error:
                log.warning("sweep_failed", error=str(error)[:200])
                connection.close()
            except Exception:
                log.exception("pacemaker_failed")
            if self._stopped.wait(BEAT):
                return

    def _beat(self) -> None:
        lanes.mend()
        parts = engine()
        for queue in (lanes.FAST, lanes.SLOW):
            works_it = queue in self._queues and not parts.stopping
            lanes.beat(queue, shift_ids=list(parts.shifts), worker=works_it)
        lanes.mark_slow(parts.sender.newly_slow())
        close_idle()  # sends do so now and then; here nobody sends


def sweep() -> int:
    """Wake every lane with something due; return how many. Wakes lanes, not deliveries: doing it twice is harmless.

    Rows of webhooks that were disabled or deleted while being sent are closed here: nobody would claim them.
    """
    due, closed = claims.due_lanes()
    lanes.wake(due)
    with borrowed():
        for webhook_id in closed:
            closing.close_open(webhook_id)
    return len(due)


def heal(after: Line = ordering.FRONT) -> Line:
    """Let lines go on whose delivery ahead was closed by a process that died before it could say so.

    Looks for HEAL_SLICE seconds at the lines behind `after`; returns the line to go on after.
    """
    with borrowed():
        return ordering.heal(after, seconds=HEAL_SLICE)[1]
