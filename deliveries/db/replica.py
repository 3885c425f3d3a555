"""Reading long lists from a replica of the database, where there is one: never the engine, and nothing that is changed.

A replica is a little behind. One that is away, or too far behind, is left alone for a while, and the database itself is
read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.models import Model

from deliveries.db.outages import is_outage, sqlstate
from deliveries.db.sessions import patient
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")

LAG_SECONDS: Final = 10.0
"""Seconds that a replica may be behind."""
LOOK_SECONDS: Final = 1.0
"""For which it counts as it was found."""
REST_SECONDS: Final = 10.0
"""For which one that failed, or is too far behind, isn't asked again."""
TAKES_TOO_LONG: Final = "57014"

# None where nothing comes from the primary any more, 0 where all that came is applied.
_LAG = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
    WHEN NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN NULL
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END
"""


class _Known:
    """What this process knows of the replica, in monotonic seconds."""

    looked_at = float("-inf")
    rests_until = float("-inf")
    is_away = False


_known = _Known()
_lock = threading.Lock()


def read(work: Callable[[str], T], seconds: float | None = None) -> T:
    """Return what `work` reads from the database with the alias that it is given, the replica's where that will do.

    Args:
        work: Does nothing but read, and may be called twice.
        seconds: Within which each of its statements ends, where a page's have less.
    """
    alias = settings.WEBHOOKS_REPLICA
    if alias:
        try:
            with _borrowed(alias):
                if _will_do(alias):
                    with patient(seconds, alias) if seconds else nullcontext():
                        return work(alias)
        except (DatabaseError, InterfaceError) as error:
            if not is_outage(error) or sqlstate(error) == TAKES_TOO_LONG:
                raise
            _rest(str(error))
    with patient(seconds) if seconds else nullcontext():
        return work(DEFAULT_DB_ALIAS)


@contextmanager
def _borrowed(alias: str) -> Iterator[None]:
    try:
        yield
    finally:
        if not connections[alias].in_atomic_block:
            connections[alias].close()  # back to the pool


def _will_do(alias: str) -> bool:
    """Tell whether the replica is near enough; it is asked once a second at most. Raises DatabaseError."""
    with _lock:
        now = time.monotonic()
        if now < _known.rests_until:
            return False
        if now < _known.looked_at + LOOK_SECONDS:
            return True
        _known.rests_until = now + REST_SECONDS  # one that vanished takes seconds to fail: nobody else waits for it
    with connections[alias].cursor() as cursor:
        cursor.execute(_LAG)
        [lag] = cursor.fetchone()
    if lag is None or lag > LAG_SECONDS:
        _rest("nothing comes from the primary" if lag is None else f"it is {lag:.0f} s behind")
        return False
    with _lock:
        _known.looked_at, _known.rests_until, _known.is_away = now, float("-inf"), False
    return True


def _rest(reason: str) -> None:
    with _lock:
        was_away, _known.is_away = _known.is_away, True
        _known.rests_until = time.monotonic() + REST_SECONDS
    if not was_away:
        log.warning("replica_left_alone", reason=reason[:200])


def settle(rows: Iterable[Model]) -> None:
    """Let what is read by these rows later, their relations and what they left out, come from the database itself.

    Django asks the database that a row came from, and the replica may have failed since.
    """
    for row in rows:
        if row._state.db != DEFAULT_DB_ALIAS:
            row._state.db = DEFAULT_DB_ALIAS
            settle(related for related in row._state.fields_cache.values() if related is not None)
