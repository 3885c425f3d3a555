"""Changes of tables, made so that nobody waits long for them: those who wait for a table stand in one line.

A statement that needs a table for itself waits for the transactions that use it, and everybody who comes after waits
behind it. So it waits for LOCK_SECONDS at most, then steps aside, and tries again.
"""

from __future__ import annotations

import time
from typing import Any, Final

from django.db import OperationalError, transaction
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

from deliveries.db.outages import sqlstate
from subscriptions.logs import get_logger

log = get_logger(__name__)

LOCK_SECONDS: Final = 3.0
"""For which a statement may wait for a lock, and others behind it: less than the engine's statements have (6 s)."""
PAUSE_SECONDS: Final = 2.0
"""Between two tries, for those who waited behind."""
PATIENCE_SECONDS: Final = 600.0
"""After which it is tried no more."""
NOT_AVAILABLE: Final = "55P03"


class SchemaEditor(DatabaseSchemaEditor):
    """Django's, whose statements wait for locks for a short time each.

    Within a transaction only its first statement is tried again, where no Python wrote rows before it: later ones hold
    locks, which must not be held while one waits. `manage.py migrate` then fails, nothing is changed, and it can be run
    again. What is made concurrently holds up nobody and waits as long as it takes.
    """

    _holds_locks = False

    def execute(self, sql: Any, params: Any = ()) -> Any:
        """Run a statement. Raises OperationalError where a lock could not be had."""
        if self.collect_sql or "CONCURRENTLY" in str(sql):
            return super().execute(sql, params)
        self._holds_locks = self._holds_locks or (self.atomic_migration and self._has_written())
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with transaction.atomic(self.connection.alias):
                    self._wait_shortly()
                    done = super().execute(sql, params)
            except OperationalError as error:
                if sqlstate(error) != NOT_AVAILABLE or self._holds_locks or time.monotonic() > ends:
                    raise
                log.warning("migration_waits", statement=str(sql)[:80])
                time.sleep(PAUSE_SECONDS)
            else:
                self._holds_locks = self.atomic_migration
                return done

    def _wait_shortly(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(round(LOCK_SECONDS * 1000))])

    def _has_written(self) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            [has_written] = cursor.fetchone()
        return bool(has_written)
