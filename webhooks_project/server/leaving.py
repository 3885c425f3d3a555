"""Clients who leave take their statements with them: the database works for nobody who doesn't wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, cast

from django.db import DEFAULT_DB_ALIAS, connections

from subscriptions.logs import get_logger
from webhooks_project.postgresql.base import DatabaseWrapper
from webhooks_project.server.threads import Threads

log = get_logger(__name__)

HALF_CLOSED_SECONDS: Final = 2.0
"""For so long a client may have sent its end and still wait: most have left, and nothing tells them apart."""
CANCEL_SECONDS: Final = 2.0
"""Deadline of asking the database to end a statement."""


class Leaving:
    """Knows which threads read for which client, and ends what they ask the database when the client has left."""

    def __init__(self) -> None:
        self._sessions: dict[Any, DatabaseWrapper] = {}
        self._threads = Threads("web-cancel", 1)

    @contextmanager
    def reading_for(self, client: Any) -> Iterator[None]:
        """Note that this thread does nothing but read, for `client`. One thread a client at a time."""
        session = cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])
        self._sessions[client] = session
        try:
            yield
        finally:
            with session.lending:
                del self._sessions[client]

    def has_left(self, client: Any) -> None:
        """End what is being asked for a client, if anything is."""
        session = self._sessions.get(client)
        if session is not None:
            self._threads.run(partial(self._cancel, client, session))

    def _cancel(self, client: Any, session: DatabaseWrapper) -> None:
        with session.lending:  # so that the session can't be somebody else's before the word has arrived
            if self._sessions.get(client) is session and session.connection is not None:
                session.connection.cancel_safe(timeout=CANCEL_SECONDS)
                log.info("statement_cancelled", reason="client has left")
