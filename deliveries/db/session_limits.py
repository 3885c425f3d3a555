"""How many database sessions our processes may open, and how many the database lets us have."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Final

from django.db import connection

OF_THE_ENGINE: Final = 7
"""Sessions that a process may hold beside its pool's; most of all a web process, which looks for its probes, too."""

# Sessions of ours are named `host:pid thread`. Limits of a role or database don't hold for superusers.
_LOOK: Final = """
WITH limits (most, what) AS (
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0), 'max_connections'
    UNION ALL
    SELECT rolconnlimit, 'the CONNECTION LIMIT of role ' || rolname
    FROM pg_roles WHERE rolname = session_user AND rolconnlimit >= 0 AND NOT rolsuper
    UNION ALL
    SELECT datconnlimit, 'the CONNECTION LIMIT of database ' || datname
    FROM pg_database, pg_roles
    WHERE datname = current_database() AND datconnlimit >= 0 AND rolname = session_user AND NOT rolsuper
)
SELECT most, what, (
    SELECT count(DISTINCT split_part(application_name, ' ', 1)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name ~ ':[0-9]+( |$)'
        AND split_part(application_name, ' ', 1) <> %s
)
FROM limits ORDER BY most LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What the database says.

    Attributes:
        most: Sessions that it lets us have.
        what: What it is that says so.
        others: Processes of ours that hold a session, this one aside.
    """

    most: int
    what: str
    others: int


def pool_size() -> int | None:
    """Return how many sessions a process' pool has at most; None without a pool, or where a pooler is between."""
    pool = connection.settings_dict.get("OPTIONS", {}).get("pool")
    is_direct = connection.settings_dict.get("SESSION_SETTINGS", True)
    return int(pool["max_size"]) if pool and is_direct else None


def look() -> Found:
    """Ask the database. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [f"{socket.gethostname()}:{os.getpid()}"])
        return Found(*cursor.fetchone())
