"""Servers to break: PostgreSQL that keeps its promises on a disk, a Valkey a test, and processes on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.stage import Stage
from tests.flows import ground
from webhooks_project.embedded.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def breakable_postgres(django_db_blocker: Any) -> Iterator[EmbeddedPostgres]:
    """A migrated server. With fsync: what it committed outlives its death, as in production."""
    with EmbeddedPostgres(fsync=True) as server:
        with django_db_blocker.unblock(), ground.database(ground.postgres(server.url)):
            ground.migrate()
        yield server


@pytest.fixture
def stage(breakable_postgres: EmbeddedPostgres, django_db_blocker: Any) -> Iterator[Stage]:
    """An empty database, an empty Valkey, no process yet."""
    with (
        django_db_blocker.unblock(),
        ground.database(ground.postgres(breakable_postgres.url)),
        Stage(breakable_postgres) as ready,
    ):
        ground.empty()
        yield ready
