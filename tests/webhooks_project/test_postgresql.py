"""The pool of database sessions: the dead ones are found without asking the living."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import InternalError, OperationalError, connection
from django.db.utils import ConnectionHandler
from psycopg.pq import TransactionStatus

from deliveries.db import engine_session
from deliveries.db.outages import CLIENT
from webhooks_project.embedded import free_port
from webhooks_project.postgresql.base import SERVER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pooled() -> Iterator[Any]:
    """A connection of Django's over a pool of one session."""
    settings = copy.deepcopy(connection.settings_dict)
    settings |= {"ENGINE": "webhooks_project.postgresql", "CONN_HEALTH_CHECKS": False, "CONN_MAX_AGE": 0}
    settings["OPTIONS"] = settings["OPTIONS"] | {"pool": {"max_size": 1, "timeout": 1}}
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


@pytest.fixture
def eight(pooled: Any) -> Any:
    """The same over a pool of eight sessions that have all been used, and lie idle."""
    pooled.settings_dict["OPTIONS"]["pool"] |= {"max_size": 8}
    held = [pooled.pool.getconn() for _ in range(8)]
    pids = [session.info.backend_pid for session in held]
    for session in held:
        pooled.pool.putconn(session)
    return pooled, pids


def test_eight_sessions_that_the_server_ended_cost_the_next_borrower_nothing(eight: Any):
    """psycopg_pool rests 1, 2, 4 s for each that it meets."""
    pooled, pids = eight
    with connection.cursor() as other:
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [pids])
    began = time.monotonic()
    assert _ask(pooled, "SELECT pg_backend_pid()") not in pids
    assert time.monotonic() - began < 0.5


def test_a_session_that_was_lent_when_others_were_found_dead_is_not_lent_again(eight: Any):
    pooled, pids = eight
    lent = pooled.pool.getconn()
    with connection.cursor() as other:
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [pids[:7]])
    assert _ask(pooled, "SELECT 1") == 1
    pooled.pool.putconn(lent)
    assert lent.closed


def test_a_session_that_may_not_write_is_replaced_and_so_are_all(eight: Any):
    """A fail-over: sessions stay with the server that was the primary."""
    pooled, pids = eight
    cursor = pooled.cursor()
    cursor.execute("SET default_transaction_read_only = on")
    with pytest.raises(InternalError, match="read-only"):
        cursor.execute("CREATE TABLE nothing (id int)")
    pooled.close()
    assert _ask(pooled, "SELECT pg_backend_pid()") not in pids


def test_a_database_that_is_away_is_told_at_once_in_its_own_words(pooled: Any):
    pooled.settings_dict["PORT"] = free_port()
    began = time.monotonic()
    with pytest.raises(OperationalError, match="refused"):
        pooled.ensure_connection()
    assert time.monotonic() - began < 0.5
    pooled.settings_dict["PORT"] = connection.settings_dict["PORT"]
    assert _ask(pooled, "SELECT 1") == 1


def test_where_all_sessions_are_lent_one_waits_for_a_while(pooled: Any):
    held = pooled.pool.getconn()
    with pytest.raises(OperationalError, match="in use for 1 s"):
        pooled.ensure_connection()
    threading.Timer(0.2, pooled.pool.putconn, [held]).start()
    assert _ask(pooled, "SELECT 1") == 1


def test_a_transaction_that_was_left_open_is_rolled_back(pooled: Any):
    session = pooled.pool.getconn()
    session.execute("BEGIN")
    pooled.pool.putconn(session)
    assert _ask(pooled, "SELECT pg_backend_pid()") == session.info.backend_pid
    assert session.info.transaction_status == TransactionStatus.IDLE


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


def test_sessions_end_transactions_that_stand_still_and_notice_hosts_that_are_gone(pooled: Any):
    for name, value in SERVER.items():
        assert _ask(pooled, f"SHOW {name}") == value
    given = pooled.get_connection_params()
    assert {name: given[name] for name in CLIENT} == CLIENT


def test_what_the_url_says_comes_before_our_defaults(pooled: Any):
    pooled.settings_dict["OPTIONS"] |= {"connect_timeout": 2, "options": "-c idle_in_transaction_session_timeout=3s"}
    assert pooled.get_connection_params()["connect_timeout"] == 2
    assert _ask(pooled, "SHOW idle_in_transaction_session_timeout") == "3s"


def test_behind_a_pooler_no_settings_are_sent(pooled: Any):
    pooled.settings_dict["SESSION_SETTINGS"] = False
    assert "options" not in pooled.get_connection_params()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "SESSION_SETTINGS", False)
        engine_session.close()
        with engine_session.engine_session() as session:
            assert session.execute("SHOW enable_seqscan").fetchone()[0] == "on"
    engine_session.close()


@pytest.mark.slow
def test_a_process_that_is_frozen_in_a_transaction_holds_its_locks_for_less_than_ten_seconds(pooled: Any):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE held (id int); INSERT INTO held VALUES (1)")
    try:
        pooled.ensure_connection()
        frozen = pooled.connection  # says nothing more, as a process that was stopped
        frozen.autocommit = False
        frozen.execute("UPDATE held SET id = 2")
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20s'")
            cursor.execute("UPDATE held SET id = 3")
        assert 6 < time.monotonic() - began < 10
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE held")
