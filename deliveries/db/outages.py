"""When the database is away, or can't take what is asked: which errors say so, and how long it may keep silent.

Such an error is nobody's fault who asked: it is waited out and asked again, and a page or route answers 503. Everything
else is the statement's or the row's own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.db import Error, InterfaceError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction, _WaitTimeout

ANSWER_SECONDS: Final = 9.0
"""Seconds within which the engine's statements are answered; else the session is given up as half-open. The server ends
them a second before that, so that none goes on behind our back."""
CLIENT: Final = {
    "connect_timeout": 4,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 8_000,
}
"""libpq's parameters of each session, seconds and milliseconds: a server that vanished is noticed within 8 s."""
CLASSES: Final = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""SQLSTATE classes: connections, state of transactions, rollbacks, resources, locks, operators, system, bugs."""

_thread = threading.local()


def is_outage(error: BaseException) -> bool:
    """Tell whether the database, not what was asked of it, is at fault. Takes Django's errors and psycopg's."""
    if not isinstance(error, (Error, psycopg.Error)):
        return False
    state = sqlstate(error)
    if state:
        return state.startswith(CLASSES)
    return isinstance(error, (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError))


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error of Django or psycopg; nothing where the server didn't answer."""
    return getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or ""


@contextmanager
def patience(seconds: float | None) -> Iterator[None]:
    """Let the database keep silent for so long on this thread, for the length of a block; None is for ever.

    Kernels notice a host that vanished. This is for what they can't see: a server, or a proxy before it, that stands
    still. What has no answer in time ends with psycopg.OperationalError and a closed session.
    """
    before = getattr(_thread, "seconds", None)
    _thread.seconds = seconds
    try:
        yield
    finally:
        _thread.seconds = before


class PatientSession(psycopg.Connection[Any]):
    """A session that is given up once an answer is overdue: see `patience`.

    Attributes:
        reads_only: It was refused a write: after a fail-over another server takes them, and a new session finds it.
    """

    reads_only = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer as psycopg does. Raises psycopg.OperationalError when it is overdue."""
        seconds = getattr(_thread, "seconds", None) if timeout is None else timeout
        try:
            return super().wait(gen, interval, seconds)
        except ReadOnlySqlTransaction:
            self.reads_only = True
            raise
        except _WaitTimeout:
            if timeout is not None:
                raise  # psycopg's own waits, such as for a cancellation
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the database did not answer within {seconds:g} s") from None
