"""Celery's beat, with the database's clock and memory: see `deliveries.maintenance.calls`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from celery.beat import Scheduler
from django.db import DatabaseError, InterfaceError

from deliveries import meters
from deliveries.db.sessions import borrowed
from deliveries.maintenance import calls
from deliveries.queueing import broker
from subscriptions.logs import get_logger
from subscriptions.redis_clients import said

log = get_logger(__name__)

TICK: Final = 2.0
"""Seconds between two looks; a call is late by no more."""


class DatabaseScheduler(Scheduler):
    """Calls what is due by the database's clock; a database or broker that is away is waited out."""

    def setup_schedule(self) -> None:
        """Read the schedule from the settings."""
        self.merge_inplace(self.app.conf.beat_schedule)
        log.info("beat_ready", entries=sorted(self.schedule))

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Call what is due; return how many seconds to wait."""
        try:
            with borrowed():
                calls.call_due(self.schedule, self._is_due, self._call)
        except (DatabaseError, InterfaceError) as error:
            log.warning("beat_waits_for_database", error=str(error)[:200])
        except Exception as error:  # noqa: BLE001 - whatever the broker said; Celery wraps it
            log.warning("beat_waits_for_broker", error=said(error.__cause__ or error))
        return TICK

    def _is_due(self, name: str, called_at: datetime, now: datetime) -> bool:
        schedule: Any = self.schedule[name].schedule
        schedule.nowfun = lambda: now
        return bool(schedule.is_due(called_at).is_due)

    def _call(self, name: str) -> None:
        with broker.lent_producer() as producer:  # Celery's own would keep a connection that broke
            self.apply_async(self.schedule[name], producer=producer, advance=False)
        meters.BEAT_CALLS.add()
