"""Whole journeys: a database of our own, the run's Valkey, and real worker processes on them.

Rows are committed, since other processes must see them; so each test makes a merchant of its own. Workers are a
module's, and end with it: no other test meets them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from subscriptions.conf import settings
from tests.flows import ground
from tests.support.factories import make_merchant
from tests.support.processes import Process, environment, worker


@pytest.fixture(scope="session")
def flows_database(django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """Django's settings of a migrated database that nobody else uses."""
    server, name = urlsplit(settings.DATABASE_URL), f"flows_{os.getpid()}"
    with psycopg.connect(server.geturl(), autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
        wanted = ground.postgres(server._replace(path=f"/{name}").geturl())
        _migrate(wanted, django_db_blocker)
        yield wanted
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def house(flows_database: dict[str, Any], django_db_blocker: Any) -> Iterator[dict[str, str]]:
    """The variables that point a process at the database and Redis of these tests; Django is pointed at them, too."""
    with django_db_blocker.unblock(), ground.database(flows_database):
        yield _variables(flows_database)


@pytest.fixture(scope="module")
def running_worker(house: dict[str, str]) -> Iterator[Process]:
    """A worker on every queue."""
    with worker(environment(**house)) as child:
        yield child


@pytest.fixture
def merchant(house: dict[str, str]) -> Any:
    """A merchant without webhooks."""
    return make_merchant()


def _migrate(wanted: dict[str, Any], django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), ground.database(wanted):
        ground.migrate()


def _variables(wanted: dict[str, Any]) -> dict[str, str]:
    redis = {"REDIS_URL": settings.REDIS_URL, "CELERY_BROKER_URL": settings.CELERY_BROKER_URL}
    address = urlsplit(settings.DATABASE_URL)
    return redis | {"DATABASE_URL": address._replace(path=f"/{wanted['NAME']}").geturl()}
