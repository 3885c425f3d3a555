"""The database, and a replica where one is named."""

from __future__ import annotations

from typing import Any

from webhooks_project import env

REPLICA = "replica"
"""The alias of the database that lists and exports are read from."""


def databases(url: str | None) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES: the one at `url`, and what DATABASE_REPLICA_URL names.

    Raises ImproperlyConfigured with the variable's name.
    """
    made = {"default": env.database(url) | _both()}
    if replica := env.secret("DATABASE_REPLICA_URL"):
        made[REPLICA] = env.database(replica, "DATABASE_REPLICA_URL") | _both() | {"TEST": {"MIRROR": "default"}}
    if env.flag("DATABASE_POOL", default=True):  # set it to false for Celery's prefork pool: they don't go together
        # The pool lends a session for one statement batch; threads that wait on the network hold none.
        pool = {"max_size": env.whole("DATABASE_POOL_SIZE", 12, minimum=2), "timeout": 5}
        for each in made.values():
            each.setdefault("OPTIONS", {})["pool"] = pool
    return made


def _both() -> dict[str, Any]:
    # Not direct: a pooler in front (pgbouncer) takes no settings from sessions, and lends another for each transaction.
    is_direct = env.flag("DATABASE_SESSION_SETTINGS", default=True)
    return {
        "SESSION_SETTINGS": is_direct,
        "DISABLE_SERVER_SIDE_CURSORS": not is_direct,  # they would be another session's
        "PREPARED_STATEMENTS": env.flag("DATABASE_PREPARED_STATEMENTS", default=True),  # the engine's
    }
