"""When the database is away, or can't take what is asked: which errors say so, and how long it may keep silent.

Such an error is nobody's fault who asked: it is waited out and asked again, and a page or route answers 503. Everything
else is the statement's or the row's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.db import Error, InterfaceError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction, _WaitTimeout

ANSWER_SECONDS: Final = 7.0
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
LOST: Final = ("08", "57P")
"""Those that end a session, at whatever point of its transaction."""
OF_STATEMENTS: Final = ("40", "55", "57014", "XX")
"""Those of them that may concern what was asked, not the whole database: others may go through meanwhile."""

_thread = threading.local()


class _Moment:
    """A moment of this process, in monotonic seconds; 0 for never."""

    at = 0.0


_distrusted = _Moment()  # sessions opened until then are used no more
_failed = _Moment()


def note() -> None:
    """Remember that the database failed this process a moment ago."""
    _failed.at = time.monotonic()


def forget() -> None:
    """Forget that it ever failed."""
    _failed.at = 0.0


def is_recent(seconds: float) -> bool:
    """Tell whether the database failed this process within so many seconds."""
    return bool(_failed.at) and time.monotonic() - _failed.at < seconds


def distrust() -> None:
    """Use none of this process' sessions again: one was found dead, silent, or not allowed to write.

    The server behind it is gone, or another one by now; each of the others would cost somebody as much.
    """
    _distrusted.at = time.monotonic()
    note()


def is_outage(error: BaseException) -> bool:
    """Tell whether the database, not what was asked of it, is at fault. Takes Django's errors and psycopg's."""
    if not isinstance(error, (Error, psycopg.Error)):
        return False
    state = sqlstate(error)
    if state:
        return state.startswith(CLASSES)
    return isinstance(error, (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError))


def concerns_statement(error: BaseException) -> bool:
    """Tell whether an outage may be one of this statement only: a lock it waits for, a deadlock, a broken row."""
    return sqlstate(error).startswith(OF_STATEMENTS)


def may_have_happened(error: BaseException) -> bool:
    """Tell whether the answer to a commit may be what is missing: then nobody can say what was stored."""
    state = sqlstate(error)
    return is_outage(error) and (not state or state.startswith(LOST))


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
    """A session that is given up once an answer is overdue: see `patience`."""

    def __init__(self, pgconn: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(pgconn, *args, **kwargs)
        self._opened = time.monotonic()

    @property
    def is_stale(self) -> bool:
        """Tell whether it is closed, or opened before some session of this process showed that the server is gone."""
        return self.closed or self._opened <= _distrusted.at

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer as psycopg does. Raises psycopg.OperationalError when it is overdue."""
        seconds = getattr(_thread, "seconds", None) if timeout is None else timeout
        try:
            return super().wait(gen, interval, seconds)
        except ReadOnlySqlTransaction:
            distrust()  # after a fail-over another server takes writes, and a new session finds it
            raise
        except _WaitTimeout:
            if timeout is not None:
                raise  # psycopg's own waits, such as for a cancellation
            self.pgconn.finish()
            distrust()
            raise psycopg.OperationalError(f"the database did not answer within {seconds:g} s") from None
