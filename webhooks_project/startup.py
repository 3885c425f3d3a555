"""What a process of the service says of its environment when it starts, and what it doesn't start with."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from deliveries.db import session_limits
from deliveries.db.sessions import borrowed
from subscriptions.logs import get_logger

log = get_logger(__name__)


def name_unknown_variables() -> None:
    """Write to the log which variables with our prefix mean nothing: mostly one is misspelt."""
    for name, meant in settings.UNKNOWN_VARIABLES.items():
        log.warning("unknown_variable", variable=name, **({"meant": meant} if meant else {}))


def look_at_sizes(processes: int, *, warns: bool = True) -> None:
    """Stop a start that can't work: one whose processes may hold more sessions than the database lets us have.

    What depends on who else runs at the moment stops nobody, or a restart amid others would be an outage: it is
    written to the log, and `doctor` tells it. A database that is away is waited for, like everywhere.

    Args:
        processes: How many this start makes, each with a pool of its own.
        warns: Whether to count the others, too.

    Raises:
        SystemExit: With what is too many, and how to correct it.
    """
    size = session_limits.pool_size()
    if size is None:
        return
    try:
        with borrowed():
            found = session_limits.look()
    except (DatabaseError, InterfaceError):
        return
    if processes * size > found.most:
        made = f"{processes} processes (web and pages) with {size} each make" if processes > 1 else f"{size} are"
        raise SystemExit(
            f"DATABASE_POOL_SIZE={size}: {made} more database sessions than PostgreSQL takes: "
            f"{found.most} ({found.what}). Raise that, or lower DATABASE_POOL_SIZE"
            f"{', WEB_CONCURRENCY or WEB_PAGES' if processes > 1 else ''}."
        )
    running, each = found.others + 1, size + session_limits.OF_THE_ENGINE
    if warns and running * each > found.most:
        log.warning("sessions_may_run_out", processes=running, each=each, most=found.most, limit=found.what)
