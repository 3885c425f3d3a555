"""What a worker answers through Celery when it is asked whose it is.

Two installations on one broker, with the same queues, take each other's tasks: webhooks wake late, housekeeping runs
for the wrong database. No message shows it, so `doctor` asks. Imported by workers and by `doctor` only.
"""

from __future__ import annotations

import hashlib
import threading
import time
from functools import lru_cache
from typing import Any, Final

from celery.worker.control import inspect_command
from django.db import DatabaseError, InterfaceError, connection

from deliveries.db.sessions import borrowed
from deliveries.models.codes import code_key
from subscriptions.conf import settings

COMMAND: Final = "webhooks_installation"
"""Celery's name of the question."""
PAUSE_SECONDS: Final = 10.0
"""Between two tries to reach the database."""

_learnt: dict[str, str] = {}


@lru_cache(maxsize=1)
def installation() -> str:
    """Return what tells this installation from others: made of its database and its REDIS_PREFIX.

    Raises DatabaseError while the database is away.
    """
    with borrowed(), connection.cursor() as cursor:
        cursor.execute("SELECT oid || ' ' || datname FROM pg_database WHERE datname = current_database()")
        [database] = cursor.fetchone()
        whole = f"{database} {settings.REDIS_PREFIX} {code_key().hex()}"
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def learn() -> None:
    """Ask the database, on a thread of its own, until it answers: answers are given by the thread that takes tasks."""
    threading.Thread(target=_ask, name="installation", daemon=True).start()


def _ask() -> None:
    while True:
        try:
            _learnt["installation"] = installation()
        except (DatabaseError, InterfaceError):
            time.sleep(PAUSE_SECONDS)
        else:
            return


@inspect_command(name=COMMAND)
def answer(_state: Any, **_arguments: Any) -> dict[str, str]:
    """Answer the question; with nothing while the database hasn't been reached since the start."""
    return dict(_learnt)
