"""The oldest transaction in the database: who waits for a lock, or for what vacuum can't free, waits for it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

_OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8, pid, COALESCE(NULLIF(application_name, ''), usename),
    COALESCE(state, ''), COALESCE(wait_event_type, ''), left(regexp_replace(query, '\\s+', ' ', 'g'), 100)
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND xact_start IS NOT NULL
ORDER BY xact_start LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction, in PostgreSQL's words.

    Attributes:
        seconds: Its age.
        pid: Of the server's process, for pg_terminate_backend().
        session: `host:pid thread` for sessions of ours, else what the program calls itself, or its role.
        state: `active`, `idle in transaction` …
        waits_for: The kind of thing it waits for (`Lock`, `Client`, `IO`), or nothing.
        statement: The beginning of the present or last one; hidden where it is another role's.
    """

    seconds: float
    pid: int
    session: str
    state: str
    waits_for: str
    statement: str

    def __str__(self) -> str:
        waits = f", waits for {self.waits_for}" if self.waits_for else ""
        return f"{self.seconds:.0f} s old, of {self.session} (pid {self.pid}, {self.state}{waits}): {self.statement}"


def oldest() -> Transaction | None:
    """Return the oldest transaction of this database but for one's own. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        row = cursor.fetchone()
    return Transaction(*row) if row else None
