"""Celery's consumer, but one that outlives whatever a broker answers, and looks for it every second or sooner.

Celery itself waits for 2, 4, 6 … up to 30 s between its tries: after an outage of 2.5 s workers idled for 3.5 s more.
And it ends the worker ("Unrecoverable error") where a broker is there and says no: full, read-only, loading, busy.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

from deliveries.queueing.broker import BrokerError
from deliveries.worker.vitals import vitals
from subscriptions.logs import get_logger
from subscriptions.redis_clients import said

log = get_logger(__name__)

FIRST, STEP, MOST = 0.2, 0.1, 1.0
"""Seconds between two tries: at first, what each adds, and at most. A refused connection costs next to nothing."""
SETTLED = 5.0
"""Seconds of work after which a failure counts as the first."""


class PatientConsumer(Consumer):
    """Waits out every answer of the broker, and looks every second or sooner."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # the stubs have a variable there
        """Celery's own steps but one: delays by RabbitMQ itself know whole seconds only (docs/adr/0044)."""

        default_steps = [step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")]

    conninfo: Any  # the stubs know nothing of it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Whatever redis-py, py-amqp or kombu raises comes from the other side: none of it is a reason to end.
        errors = (*self.conninfo.connection_errors, *self.conninfo.channel_errors)
        self.connection_errors: tuple[type[Exception], ...] = (*errors, *BrokerError)
        self._wait, self._failed_at = FIRST, 0.0

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once it stands."""
        waits = {"interval_start": FIRST, "interval_step": STEP, "interval_max": MOST}
        conn.ensure_connection = partial(conn.ensure_connection, **waits)
        with vitals.waiting_for_broker():
            return super().ensure_connected(conn)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Say what the broker said, and wait a little before all begins anew: it may say so again at once."""
        if time.monotonic() - self._failed_at > SETTLED:
            self._wait = FIRST
        log.warning("broker_lost", error=said(exc), tries_again_in=round(self._wait, 1))
        time.sleep(self._wait)
        self._wait, self._failed_at = min(self._wait + STEP, MOST), time.monotonic()
        super().on_connection_error_after_connected(exc)
