"""Django's PostgreSQL backend, with a pool whose sessions are looked at, not asked, and options against lost hosts.

Django's own pool sends an empty statement whenever a session is borrowed: a round trip for each batch of statements,
which is a tenth of accepting an event. A server that went away has closed its end, and that shows on the socket.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from deliveries.db.outages import CLIENT, PatientSession
from webhooks_project import env
from webhooks_project.postgresql.pool import Pool
from webhooks_project.postgresql.schema import SchemaEditor

SERVER: Final = {
    "idle_in_transaction_session_timeout": "8s",
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "8000",
    "client_connection_check_interval": "5s",
}
"""Settings of each session: the locks of a process that was frozen or cut off amid a transaction outlive it by less
than 10 s, not by TCP's two hours."""

_limit: list[float] = []
"""Seconds that a statement may take; empty for no limit."""


def limit_statements(seconds: float | None) -> None:
    """Bound the statements of Django's sessions that this process opens from now on; None takes the bound away.

    For processes that answer people: whoever waits for a page doesn't wait for ever. The engine's own sessions
    (deliveries.db.engine_session) have no such bound.
    """
    _limit[:] = [] if seconds is None else [seconds]


class DatabaseWrapper(base.DatabaseWrapper):
    """The backend that settings name as ENGINE."""

    SchemaEditorClass = SchemaEditor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lending = threading.RLock()
        """Held while the session goes back to the pool. Whoever holds it knows whose statement runs on the session."""

    def connect(self) -> None:
        """Connect. Raises OperationalError with what to do where no database is named and none of our own runs."""
        if self.settings_dict["NAME"] == env.NOT_RUNNING:
            raise OperationalError(
                "No database is running. Start one with `make demo` or `make run` in another terminal, or set "
                "DATABASE_URL=postgres://user:password@host:5432/name."
            )
        super().connect()

    def get_connection_params(self) -> dict[str, Any]:
        """Return what sessions are opened with: the URL's options, ours where it has none, and the session settings."""
        given = CLIENT | super().get_connection_params()
        if self.settings_dict.get("SESSION_SETTINGS", True):
            ours = " ".join(f"-c {name}={value}" for name, value in SERVER.items())
            given["options"] = f"{ours} {given.get('options', '')}".strip()  # of one given twice, the last counts
        given.setdefault("application_name", f"{socket.gethostname()}:{os.getpid()}")  # who holds a lock
        return given

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a session."""
        return super().get_new_connection(self._limited(conn_params))

    def _close(self) -> None:
        with self.lending:
            super()._close()  # type: ignore[misc]  # the stubs leave it out

    def _limited(self, given: dict[str, Any]) -> dict[str, Any]:
        if not _limit or not self.settings_dict.get("SESSION_SETTINGS", True):
            return given
        ours = f"-c statement_timeout={round(_limit[0] * 1000)}"
        return given | {"options": f"{ours} {given.get('options', '')}".strip()}

    @property
    def pool(self) -> Pool | None:
        """Return this process' pool, made at the first use; None when OPTIONS asks for none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools: dict[str, Pool] = self._connection_pools  # type: ignore[attr-defined]  # the stubs lag behind Django
        if self.alias not in pools:
            if self.settings_dict["CONN_MAX_AGE"] != 0:
                raise ImproperlyConfigured("The pool keeps sessions itself: leave CONN_MAX_AGE at 0.")
            made = Pool(self._open, max_size=options["max_size"], timeout=options["timeout"])
            pools.setdefault(self.alias, made)  # of two threads that came first, one wins
        return pools[self.alias]

    def _open(self) -> PatientSession:
        """Open a session for the pool. Raises psycopg.OperationalError."""
        session = PatientSession.connect(**self._limited(self.get_connection_params()), autocommit=True)
        self._configure_connection(session)  # type: ignore[attr-defined]
        return session
