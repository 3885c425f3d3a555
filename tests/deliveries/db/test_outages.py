"""Which errors mean that the database is away, and that a silent one is given up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import django.db
import psycopg
import pytest
from django.db import connection
from psycopg import errors

from deliveries.db import outages
from deliveries.db.outages import PatientSession, patience
from tests.support.proxies import Proxy

AWAY = ["08006", "25006", "40P01", "40001", "53300", "53100", "55P03", "57014", "57P01", "57P03", "58030", "XX000"]
OWN = ["22001", "22P02", "23505", "23503", "23514", "42601", "42P01", "21000", "54000", "P0001"]


def _django(error: psycopg.Error) -> django.db.Error:
    """Return the error as Django wraps it."""
    with pytest.raises(django.db.Error) as caught, connection.wrap_database_errors:
        raise error
    return caught.value


@pytest.mark.parametrize("state", AWAY)
def test_what_the_database_can_not_do_now_is_an_outage(state: str) -> None:
    error = errors.lookup(state)("no")
    assert outages.is_outage(error)
    assert outages.is_outage(_django(error))
    assert outages.sqlstate(_django(error)) == state


@pytest.mark.parametrize("state", OWN)
def test_what_is_wrong_with_the_statement_is_none(state: str) -> None:
    error = errors.lookup(state)("no")
    assert not outages.is_outage(error)
    assert not outages.is_outage(_django(error))


@pytest.mark.parametrize(
    ("error", "is_outage"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (django.db.OperationalError("lost"), True),
        (django.db.IntegrityError("a constraint"), False),
        (django.db.DataError("NUL"), False),
        (ValueError("no database's"), False),
        (OSError("nor this"), False),
    ],
)
def test_without_a_code_the_kind_of_the_error_tells(error: Exception, is_outage: bool) -> None:
    assert outages.is_outage(error) is is_outage


@pytest.fixture
def silent() -> Iterator[tuple[PatientSession, Proxy]]:
    """A session through a proxy, and the proxy."""
    given = connection.get_connection_params()
    given = {name: given[name] for name in ("dbname", "user", "password") if name in given}
    with Proxy(int(connection.settings_dict["PORT"])) as proxy:
        session = PatientSession.connect(**given, host="127.0.0.1", port=proxy.port, autocommit=True)
        yield session, proxy
        session.close()


@pytest.mark.django_db
def test_a_session_that_gets_no_answer_is_given_up_in_time(silent: Any) -> None:
    session, proxy = silent
    with patience(0.5):
        session.execute("SELECT 1")
        assert proxy.silence() == 1
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match=r"did not answer within 0\.5 s") as caught:
            session.execute("SELECT 1")
    assert 0.4 < time.monotonic() - began < 2
    assert session.closed
    assert outages.is_outage(caught.value)


@pytest.mark.django_db
def test_whoever_has_patience_waits(silent: Any) -> None:
    session, _proxy = silent
    with patience(0.3):
        with patience(None):
            session.execute("SELECT pg_sleep(0.6)")
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT pg_sleep(0.6)")
