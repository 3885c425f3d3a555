"""Sessions of the engine's own: one a thread, in autocommit, with plans that only look up by index.

The engine runs few statements very often, so each is prepared once with a generic plan. Such a plan may be made while
the tables are empty, and must not be a sequential scan for ever: scans, hash and merge joins are forbidden here.
Django's connections, whose queries come from people, plan as usual.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection as django_connection
from psycopg.rows import namedtuple_row

IDLE_IN_TRANSACTION_SECONDS = 10
"""A session that stands still in a transaction for so long is ended by the server: its locks stop others."""
CONNECT_TIMEOUT = 5
"""Seconds to connect."""

PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_own = threading.local()


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
        session = getattr(_own, "session", None)
        if session is None or session.closed:
            session = _own.session = _connect()
        try:
            yield session
        except (psycopg.OperationalError, psycopg.InterfaceError):
            close()
            raise


def close() -> None:
    """Close this thread's session, if it has one; the next use connects anew."""
    session = getattr(_own, "session", None)
    if session is not None:
        _own.session = None
        session.close()


def fetch(statement: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Run one statement in a transaction of its own (or the caller's) and return its rows as named tuples."""
    with engine_session() as session, session.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def _connect() -> psycopg.Connection[Any]:
    given = django_connection.get_connection_params()
    for ours in ("pool", "server_side_binding", "cursor_factory", "context", "prepare_threshold"):
        given.pop(ours, None)
    options = " ".join(f"-c {name}={value}" for name, value in _settings().items())
    given["options"] = f"{given.get('options', '')} {options}".strip()
    given.setdefault("connect_timeout", CONNECT_TIMEOUT)
    return psycopg.connect(**given, autocommit=True, prepare_threshold=0)


def _settings() -> dict[str, Any]:
    return {
        **PLANS,
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 2,
    }
