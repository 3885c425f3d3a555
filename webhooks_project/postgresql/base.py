"""A pool of sessions that is looked at, not asked, before each use.

Django's own pool sends an empty statement whenever a session is borrowed: a round trip for each batch of statements,
which is a tenth of accepting an event. A server that went away has closed its end, and that shows on the socket.
"""

from __future__ import annotations

import select
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from webhooks_project import env

CLIENT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
"""libpq's parameters, seconds and milliseconds: a server that vanished is noticed within some 20 s of silence, or 10 s
after something was sent to it."""
SERVER: Final = {
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
"""Settings of each session: the locks of a process that was frozen or cut off amid a transaction outlive it by some
seconds, not by TCP's two hours."""


def check(session: Connection[Any]) -> None:
    """Raise psycopg.OperationalError when the server has closed a session that lay idle.

    Something to read on it may also be news that TLS or the server sent unasked; then, and only then, it is asked.
    """
    poll = select.poll()  # select() knows no descriptor above 1023
    poll.register(session.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(session)


class DatabaseWrapper(base.DatabaseWrapper):
    """The backend that settings name as ENGINE."""

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
        return given

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        """Return this process' pool, made at the first use; None when OPTIONS asks for none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools = self._connection_pools  # type: ignore[attr-defined]  # the stubs lag behind Django's pools
        if self.alias not in pools:
            if self.settings_dict["CONN_MAX_AGE"] != 0:
                raise ImproperlyConfigured("The pool keeps sessions itself: leave CONN_MAX_AGE at 0.")
            made: ConnectionPool[Any] = ConnectionPool(
                kwargs=self.get_connection_params() | {"autocommit": True},  # Django sets it as it needs it
                open=False,
                configure=self._configure_connection,  # type: ignore[attr-defined]
                check=check,
                **options,
            )
            pools.setdefault(self.alias, made)  # of two threads that came first, one wins
        return pools[self.alias]
