"""A database of a test's own under Django, beside the one pytest-django keeps.

Processes see only what is committed, and flush only what is theirs; so journeys and faults never touch another's rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
from django.core.management import call_command
from django.db import connections


def postgres(url: str) -> dict[str, Any]:
    """Return Django's settings of the PostgreSQL database at `url`; no pool: a test restarts servers under it."""
    kept = {name: connections.settings["default"][name] for name in ("TIME_ZONE", "TEST")}
    defaults = {"ATOMIC_REQUESTS": False, "AUTOCOMMIT": True, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    return defaults | kept | environ.Env.db_url_config(url) | {"OPTIONS": {"connect_timeout": 5}}


@contextmanager
def database(wanted: dict[str, Any]) -> Iterator[None]:
    """Let this thread's Django work on another database for the length of a block, where access is unblocked."""
    before = connections.settings["default"]
    _change(wanted)
    try:
        yield
    finally:
        _change(before)


def migrate() -> None:
    """Make the tables, and load the catalogue."""
    call_command("migrate", verbosity=0)


def empty() -> None:
    """Empty every table, and load the catalogue anew."""
    call_command("flush", verbosity=0, interactive=False)


def _change(wanted: dict[str, Any]) -> None:
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = wanted
