"""A step of Celery's consumer: its event loop says every second that it runs (`deliveries.worker.vitals`)."""

from __future__ import annotations

from typing import Any, Final

from celery.bootsteps import StartStopStep

from deliveries.worker.vitals import vitals

EVERY: Final = 1.0
"""Seconds."""


class Pulse(StartStopStep):
    """Begins once tasks are consumed; what hangs before, and afterwards, comes round no more."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self._timer: Any = None
        super().__init__(parent, **kwargs)

    def start(self, parent: Any) -> None:
        """Let the loop's own timer call: it does so between two looks for messages."""
        vitals.come_round()
        self._timer = parent.timer.call_repeatedly(EVERY, vitals.come_round)

    def stop(self, parent: Any) -> None:
        """Say nothing more until the next start."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
