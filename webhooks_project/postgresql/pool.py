"""A pool of database sessions: borrowed in turn, looked at before each use, and all thrown away when one is dead.

Sessions are opened by whoever needs one, so a database that is away is told at once, in its own words, and one that
is back is used at once. (psycopg_pool opens them on threads of its own, and rests 1, 2, 4 … s after each failure.)
"""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from psycopg import Error, OperationalError
from psycopg.pq import TransactionStatus

from deliveries.db.outages import PatientSession, distrust, patience

IDLE_SECONDS: Final = 600.0
"""A session that nobody needed for so long is closed."""
CHECK_SECONDS: Final = 2.0
"""Seconds in which a session that has something to say answers, or counts as dead."""


class Pool:
    """Lends sessions to threads.

    Args:
        connect: Opens a session. Raises psycopg.OperationalError.
        max_size: Sessions at most.
        timeout: Seconds to wait for one where all are lent.
    """

    def __init__(self, connect: Callable[[], PatientSession], *, max_size: int, timeout: float) -> None:
        self._connect, self._timeout = connect, timeout
        self._idle: deque[tuple[PatientSession, float]] = deque()  # the one used last stands at the right
        self._left = threading.BoundedSemaphore(max_size)

    def open(self) -> None:
        """Do nothing: sessions are opened when needed. Django calls it."""

    def getconn(self) -> PatientSession:
        """Return a session that lives. Raises psycopg.OperationalError where none can be had."""
        if not self._left.acquire(timeout=self._timeout):
            raise OperationalError(f"all sessions of this process were in use for {self._timeout:g} s")
        try:
            session = self._living() or self._connect()
        except BaseException:
            self._left.release()
            raise
        session._pool = cast("Any", self)  # where Django gives it back; psycopg knows only its own pools
        return session

    def putconn(self, session: PatientSession) -> None:
        """Take a session back."""
        session._pool = None
        is_dead = session.is_stale
        if not is_dead and session.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            try:
                session.rollback()
            except Error:
                is_dead = True
        if is_dead or session.info.transaction_status != TransactionStatus.IDLE:
            session.close()
        else:
            self._idle.append((session, time.monotonic()))
        self._left.release()
        while self._idle and self._idle[0][1] < time.monotonic() - IDLE_SECONDS:
            self._idle.popleft()[0].close()

    def close(self) -> None:
        """Close the sessions that nobody has; the others when they are given back."""
        distrust()
        while True:
            try:
                self._idle.pop()[0].close()
            except IndexError:
                return

    def _living(self) -> PatientSession | None:
        """Return an idle session. Where one is dead the server was away, and all others are, or will be."""
        try:
            session, _since = self._idle.pop()
        except IndexError:
            return None
        if lives(session):
            return session
        session.close()
        self.close()
        return None


def lives(session: PatientSession) -> bool:
    """Tell whether the server has not closed a session that lay idle, mostly without asking it.

    Something to read on it may also be news that TLS or the server sent unasked; then, and only then, it is asked.
    """
    if session.is_stale:
        return False
    poll = select.poll()  # select() knows no descriptor above 1023
    poll.register(session.pgconn.socket, select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        with patience(CHECK_SECONDS):
            session.execute("")
    except Error:
        return False
    return True
