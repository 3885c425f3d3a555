"""A PostgreSQL that follows another by streaming replication: it reads only, until it is promoted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg

from webhooks_project.embedded.postgres import ROLE, EmbeddedPostgres


class Standby(EmbeddedPostgres):
    """Begins as a copy of a primary and follows it, with the same role, password and databases."""

    def __init__(self, primary: EmbeddedPostgres) -> None:
        super().__init__(fsync=True)
        self._primary = primary
        self._password = primary._password

    def _make_cluster(self, cluster: Path, folder: Path, programs: Path) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user={ROLE} password={self._password}"
        copy = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        self._run([str(programs / "pg_basebackup"), f"--dbname={source}", f"--pgdata={cluster}", *copy], folder)

    def promote(self) -> None:
        """Let it take writes; returns once it does."""
        with psycopg.connect(self.url, autocommit=True) as session:
            assert session.execute("SELECT pg_promote()").fetchone() == (True,)


@contextlib.contextmanager
def synchronous(primary: EmbeddedPostgres) -> Iterator[None]:
    """Let a commit of the primary be told only when a standby has it: what is accepted outlives the primary."""
    _set(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    try:
        yield
    finally:
        _set(primary, "ALTER SYSTEM RESET synchronous_standby_names")


def _set(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as session:
        session.execute(statement)
        session.execute("SELECT pg_reload_conf()")
