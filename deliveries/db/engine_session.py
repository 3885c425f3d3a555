"""Sessions of the engine's own: one a thread, in autocommit, with plans that only look up by index.

The engine runs few statements very often, so each is prepared once with a generic plan. Such a plan may be made while
the tables are empty, and must not be a sequential scan for ever: scans, hash and merge joins are forbidden here.
Django's connections, whose queries come from people, plan as usual.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection as django_connection
from psycopg.rows import namedtuple_row

from deliveries.db import outages
from deliveries.db.direct_session import Asked, DirectSession, native
from deliveries.db.outages import ANSWER_SECONDS, CLIENT, is_outage, patience

IDLE_IN_TRANSACTION_SECONDS = 8
"""A session that stands still in a transaction for so long is ended by the server: its locks stop others."""

PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_own = threading.local()


class _Held:
    """A thread's session, closed when the thread ends."""

    def __init__(self, session: DirectSession) -> None:
        self.session = session

    def __del__(self) -> None:
        self.session.close()


@contextmanager
def engine_session() -> Iterator[psycopg.Connection[Any]]:
    """Yield this thread's session; rows are named tuples.

    Inside a transaction of Django's connection, which is then the caller's (or a test's), that connection is yielded:
    what runs here belongs to it.

    Raises:
        django.db.DatabaseError: Errors of psycopg come as Django's, of the same names. After one that may have cost the
            connection, the next use connects anew.
    """
    with django_connection.wrap_database_errors:
        if django_connection.in_atomic_block:
            django_connection.ensure_connection()
            yield django_connection.connection
            return
        held = getattr(_own, "held", None)
        if held is not None and (held.session.is_stale or _has_news(held.session.fileno())):
            outages.note()
            held = None
        if held is None:
            held = _own.held = _Held(_connect())  # what the server has ended meanwhile costs nobody an error
        session = held.session
        del held  # a traceback that holds this frame would keep it beyond its thread
        try:
            with patience(ANSWER_SECONDS):
                yield session
        except psycopg.Error as error:
            if is_outage(error):
                close()
            raise


def ensure_session() -> None:
    """Connect this thread's session unless it stands already.

    For who must know afterwards that a failing statement was sent. Raises django.db.OperationalError when the database
    can't be reached.
    """
    with engine_session():
        pass


def _has_news(fileno: int) -> bool:
    """Tell whether something waits to be read. On an idle session that is its end, or too rare to tell apart."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))


def close() -> None:
    """Close this thread's session, if it has one; the next use connects anew."""
    held = getattr(_own, "held", None)
    if held is not None:
        _own.held = None
        held.session.close()


def fetch(statement: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Run one statement in a transaction of its own (or the caller's) and return its rows as named tuples."""
    return _run([(statement, parameters)])[0]


def fetch_together(first: Asked, second: Asked) -> tuple[Any, list[Any]]:
    """Run two statements in one transaction and one round trip; return the first's only row and the second's rows.

    The second has a newer snapshot than the first, and sees what the first waited for.
    """
    [turns], rows = _run([first, second])
    return turns, rows


def fetch_in_turn(first: Asked, second: Asked) -> tuple[list[Any], list[Any]]:
    """Run a statement, and when it is committed a second one, in one round trip; return the rows of both.

    In a transaction of the caller's the second sees what the first did, as always.
    """
    before, after = _run([first], [second])
    return before, after


def _run(*transactions: Sequence[Asked]) -> list[list[Any]]:
    with engine_session() as session:
        for transaction in transactions:
            for statement, _parameters in transaction:
                _note(statement)
        if isinstance(session, DirectSession):
            return session.run(*transactions)
        return [_fetch(session, *asked) for transaction in transactions for asked in transaction]


def _fetch(session: psycopg.Connection[Any], statement: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Run a statement on Django's connection, amid its transaction."""
    with psycopg.RawCursor(session, row_factory=namedtuple_row) as cursor:
        text, names = native(statement)
        cursor.execute(text, [parameters[name] for name in names])
        return cursor.fetchall() if cursor.description else []


def _note(statement: str) -> None:
    """Keep the statement where Django keeps its own: for DEBUG, and for tests that count them."""
    if django_connection.queries_logged:
        django_connection.queries_log.append({"sql": statement, "time": "0.000"})


def _connect() -> DirectSession:
    given = django_connection.get_connection_params()
    for ours in ("pool", "server_side_binding", "cursor_factory", "context", "prepare_threshold"):
        given.pop(ours, None)
    if django_connection.settings_dict.get("SESSION_SETTINGS", True):  # else they are the role's (docs/operations.md)
        options = " ".join(f"-c {name}={value}" for name, value in _settings().items())
        given["options"] = f"{given.get('options', '')} {options}".strip()
    given = CLIENT | given
    given["application_name"] = f"{socket.gethostname()}:{os.getpid()} {threading.current_thread().name}"
    prepare = 0 if django_connection.settings_dict.get("PREPARED_STATEMENTS", True) else None
    session = DirectSession.connect(**given, autocommit=True, prepare_threshold=prepare)
    session.prepares = prepare is not None
    if "options" not in given:  # a pooler passes this one on, whichever session of the server it lends
        with patience(ANSWER_SECONDS):
            session.execute("SET TimeZone TO 'UTC'")
    return session


def _settings() -> dict[str, Any]:
    return {
        **PLANS,
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        "statement_timeout": f"{ANSWER_SECONDS - 1:g}s",
        "tcp_keepalives_idle": 4,
        "tcp_keepalives_interval": 2,
        "tcp_keepalives_count": 2,
        "tcp_user_timeout": 8000,
    }
