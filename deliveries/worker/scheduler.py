"""The scheduler: a thread in every worker process that sends heartbeats, and finds lost wake-ups while it leads."""

from __future__ import annotations

import threading
import time

from django.db import DatabaseError, InterfaceError, connection

from deliveries import meters
from deliveries.db import outages
from deliveries.db.outages import concerns_statement, is_outage
from deliveries.db.sessions import borrowed
from deliveries.queueing import claims, feeds, ordering, orphans, wakeups, webhook_changes
from deliveries.queueing.ordering import OrderingGroup
from deliveries.sending.process_transport import close_idle
from deliveries.worker.engine import engine
from deliveries.worker.vitals import vitals
from subscriptions.logs import get_logger

log = get_logger(__name__)

HEARTBEAT_INTERVAL = 0.5
"""Seconds between heartbeats; wakeups.STALE_MS is three of them."""
LEASE = 1.5
"""Seconds for which a scheduler leads; two for a moment are harmless, none for long is late."""
SWEEP_INTERVAL = 1.0
"""Seconds between two sweeps of the leading scheduler."""
HEAL_INTERVAL = 5.0
"""Seconds between two rounds of looks at all lines with a delivery open or in review, for one that stands still.

Feeds are looked at with it, for what is too old: no claim meets it."""
HEAL_SLICE = 0.2
"""Seconds a look takes, about; a long round goes on with the next sweep, so that heartbeats are sent meanwhile."""


class Scheduler(threading.Thread):
    """Sends heartbeats for the process and its dispatcher, and sweeps while it leads.

    Args:
        works: Whether this process consumes the queue of `deliver`: only then it counts as a worker.
    """

    def __init__(self, *, works: bool) -> None:
        super().__init__(name="scheduler", daemon=True)
        self._works = works
        self._stopped = threading.Event()
        self._healed = ordering.FRONT
        self._sweep_at = self._heal_at = 0.0

    def stop(self) -> None:
        """End the thread after its current round."""
        self._stopped.set()

    def run(self) -> None:
        """Send heartbeats and sweep until stopped; a failure costs one round."""
        while True:
            try:
                self._round()
            except (DatabaseError, InterfaceError) as error:
                if is_outage(error) and not concerns_statement(error):
                    outages.note()
                log.warning("sweep_failed", error=str(error)[:200])
                connection.close()
            except Exception:
                log.exception("scheduler_failed")
            if self._stopped.wait(HEARTBEAT_INTERVAL):
                return

    def _round(self) -> None:
        wakeups.try_again()
        process = engine()
        on_duty = [process.dispatcher_id] if process.dispatcher_id else []
        takes_tasks = self._works and not process.stopping and not vitals.complaint()
        wakeups.heartbeat(dispatcher_ids=on_duty, worker=takes_tasks)
        close_idle()
        if time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + SWEEP_INTERVAL
        if not wakeups.lead(LEASE):
            return
        sweep()
        if time.monotonic() >= self._heal_at:
            self._healed = heal(self._healed)
            with borrowed():
                feeds.expire(seconds=HEAL_SLICE)
            self._heal_at = time.monotonic() + (HEAL_INTERVAL if self._healed == ordering.FRONT else 0)


def sweep() -> int:
    """Wake every webhook with something due; return how many. Doing it twice is harmless.

    Rows of webhooks that were disabled or deleted while being sent are closed here, and claims that ran out taken back
    where the webhook is paused: nobody would claim there, and what seems to be sent can't be cancelled.
    """
    due, closed = claims.due_webhooks()
    meters.SWEEPS.add("yes" if due else "no")
    meters.SWEPT.add(count=len(due))
    wakeups.wake(due)
    with borrowed():
        if orphans.may_take_back() and (paused := orphans.paused_webhooks()):
            orphans.take_back(paused)
        for webhook_id in closed:
            webhook_changes.close_open(webhook_id)
    return len(due)


def heal(after: OrderingGroup = ordering.FRONT) -> OrderingGroup:
    """Let lines go on whose delivery ahead was closed by a process that died before it could say so.

    Looks for HEAL_SLICE seconds at the lines behind `after`; returns the line to go on after.
    """
    with borrowed():
        return ordering.heal(after, seconds=HEAL_SLICE)[1]
