"""The engine's footing on the database: borrowed connections, and the database's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, connection, connections, reset_queries, transaction

from deliveries.db.outages import ANSWER_SECONDS, patience


@contextmanager
def borrowed(seconds: float | None = ANSWER_SECONDS) -> Iterator[None]:
    """Hold Django's connection for one batch of statements and give it back to the pool after.

    Threads that wait on the network hold none. Inside a transaction of the caller's (tests, eager mode) nothing is
    given back.

    Args:
        seconds: Within which each statement is answered, or the database counts as away; None waits for ever.
    """
    try:
        with patience(seconds):
            yield
    finally:
        if not connection.in_atomic_block:
            if connection.queries_logged:
                reset_queries()  # DEBUG keeps every statement, and no request's end clears these threads' log
            connection.close()


@contextmanager
def patient(seconds: float, alias: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Let a database's statements take `seconds` each, where a page's have less, in a transaction of their own."""
    with transaction.atomic(alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(round(seconds * 1000))])
        yield


class DatabaseClock:
    """The database's time, carried between statements by this process' monotonic clock.

    Hosts' clocks differ; due times are compared with the database's. Each claim returns the database's `now()` and
    sets the anchor, so reading the clock costs no statement.
    """

    def __init__(self) -> None:
        self._anchor: tuple[datetime, float] = (datetime.now(UTC), time.monotonic())

    def set(self, now: datetime, asked_at: float) -> None:
        """Anchor to `now`, asked for at monotonic time `asked_at`, in seconds.

        Taking the moment before the statement makes later readings never too early: a retry that is due five seconds
        after a failure is never due sooner.
        """
        self._anchor = (now, asked_at)

    def at(self, monotonic: float) -> datetime:
        """Return the database's time at a monotonic moment, in seconds."""
        now, asked_at = self._anchor
        return now + timedelta(seconds=monotonic - asked_at)


clock = DatabaseClock()
