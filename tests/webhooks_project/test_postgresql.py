"""The pool of database sessions: the dead ones are found without asking the living."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.utils import ConnectionHandler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pooled() -> Iterator[Any]:
    """A connection of Django's over a pool of one session."""
    settings = copy.deepcopy(connection.settings_dict)
    settings |= {"ENGINE": "webhooks_project.postgresql", "CONN_HEALTH_CHECKS": False, "CONN_MAX_AGE": 0}
    settings["OPTIONS"] = settings["OPTIONS"] | {"pool": {"min_size": 1, "max_size": 1, "timeout": 10}}
    wrapper = ConnectionHandler({"default": settings, "apart": settings})["apart"]  # pools are kept by this name
    yield wrapper
    wrapper.close()
    wrapper.close_pool()


def _ask(wrapper: Any, sql: str) -> Any:
    """Borrow the session for one statement."""
    with wrapper.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    wrapper.close()
    return row[0]


def test_a_session_is_used_again_and_nothing_is_sent_between(pooled: Any):
    first = _ask(pooled, "SELECT pg_backend_pid()")
    pooled.ensure_connection()
    with connection.cursor() as other:
        other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [first])
        assert other.fetchone() == ("SELECT pg_backend_pid()",)
    assert _ask(pooled, "SELECT pg_backend_pid()") == first


def test_a_session_that_the_server_ended_is_replaced(pooled: Any):
    first = _ask(pooled, "SELECT pg_backend_pid()")
    with connection.cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        assert other.fetchone() == (True,)
    assert _ask(pooled, "SELECT pg_backend_pid()") != first


def test_a_session_with_news_is_asked_and_kept(pooled: Any):
    first = _ask(pooled, "SELECT pg_backend_pid()")
    pooled.ensure_connection()
    with pooled.cursor() as cursor:
        cursor.execute("LISTEN news")
    pooled.close()
    with psycopg.connect(**_address()) as other:
        other.execute("NOTIFY news")
    assert _ask(pooled, "SELECT pg_backend_pid()") == first


def _address() -> dict[str, Any]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("dbname", "user", "password", "host", "port") if name in given}
