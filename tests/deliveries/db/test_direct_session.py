"""The engine's statements go to libpq directly: what a transaction is, what fails, and what is left after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError, transaction

from deliveries.db import direct_session, engine_session
from deliveries.db.engine_session import fetch, fetch_in_turn, fetch_together

pytestmark = pytest.mark.django_db(transaction=True)
INSERT = "INSERT INTO kept (id) VALUES (%(id)s) RETURNING id"
COUNT = "SELECT count(*) AS n FROM kept"
FAILS = "SELECT 1 / %(zero)s::int AS never"


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    fetch("CREATE TABLE kept (id int PRIMARY KEY)", {})
    yield
    fetch("DROP TABLE kept", {})


def _session() -> Any:
    with engine_session.engine_session() as session:
        return session


def _pid() -> int:
    return int(_session().info.backend_pid)


def test_values_of_every_kind_go_in_and_out_as_psycopg_has_them() -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    given = {"a": 1 << 40, "b": "x\\\"'", "c": None, "d": True, "e": 1.5, "f": moment, "g": [1, 2], "h": b"\0\xff"}
    [row] = fetch(
        "SELECT %(a)s::bigint AS a, %(b)s::text AS b, %(c)s::int AS c, %(d)s::bool AS d, %(e)s::float8 AS e,"
        " %(f)s::timestamptz AS f, %(g)s::int[] AS g, %(h)s::bytea AS h",
        given,
    )
    assert row._asdict() == given
    assert (row.a, row.h) == (given["a"], given["h"])


def test_a_statement_is_prepared_once_and_reads_each_answer_anew() -> None:
    for id in (1, 2, 3):
        assert [row.id for row in fetch(INSERT, {"id": id})] == [id]
        assert [row.n for row in fetch(COUNT, {})] == [id]
    found = fetch("SELECT statement FROM pg_prepared_statements", {})
    assert sorted(row.statement for row in found if " kept" in row.statement) == [
        "CREATE TABLE kept (id int PRIMARY KEY)",
        "INSERT INTO kept (id) VALUES ($1) RETURNING id",
        COUNT,
    ]


def test_beyond_so_many_statements_and_behind_a_pooler_none_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    session = _session()
    known = len(session._statements)
    monkeypatch.setattr(direct_session, "PREPARED_MAX", known)
    assert fetch(INSERT, {"id": 1}) == [(1,)]
    assert fetch_in_turn((INSERT, {"id": 2}), (COUNT, {})) == ([(2,)], [(2,)])
    monkeypatch.setattr(direct_session, "PREPARED_MAX", 1000)
    session.prepares = False
    assert fetch(INSERT, {"id": 3}) == [(3,)]
    assert len(session._statements) == known
    assert _session() is session


def test_two_statements_together_are_one_transaction() -> None:
    row, rows = fetch_together((INSERT, {"id": 1}), (COUNT, {}))
    assert (row.id, rows) == (1, [(1,)]), "the second sees what the first did"
    pid = _pid()
    with pytest.raises(DataError):
        fetch_together((INSERT, {"id": 2}), (FAILS, {"zero": 0}))
    with pytest.raises(IntegrityError):
        fetch_together((INSERT, {"id": 1}), (COUNT, {}))
    assert fetch(COUNT, {}) == [(1,)]
    assert _pid() == pid, "the session goes on"


def test_two_statements_in_turn_are_two_transactions() -> None:
    """What was committed first stays, whatever becomes of the second."""
    assert fetch_in_turn((INSERT, {"id": 1}), (COUNT, {})) == ([(1,)], [(1,)])
    with pytest.raises(DataError):
        fetch_in_turn((INSERT, {"id": 2}), (FAILS, {"zero": 0}))
    assert fetch(COUNT, {}) == [(2,)]
    with pytest.raises(DataError):
        fetch_in_turn((FAILS, {"zero": 0}), (INSERT, {"id": 3}))
    assert fetch(COUNT, {}) == [(3,)]
    started = fetch_in_turn(("SELECT now() AS at", {}), ("SELECT now() AS at", {}))
    assert started[0][0].at < started[1][0].at, "each has a time of its own"


def test_what_fails_before_it_is_sent_costs_the_session_nothing() -> None:
    pid = _pid()
    with pytest.raises(DataError):
        fetch("SELECT %(text)s::text AS text", {"text": "\0"})
    with pytest.raises(ProgrammingError):
        fetch_together((INSERT, {"id": 1}), ("SELECT * FROM nowhere", {}))
    with pytest.raises(KeyError):
        fetch(INSERT, {})
    assert fetch(COUNT, {}) == [(0,)]
    assert _pid() == pid


@pytest.mark.parametrize("ask", [fetch_together, fetch_in_turn])
def test_a_session_that_breaks_off_amid_two_statements_is_an_outage_and_the_next_one_is_new(ask: Any) -> None:
    pid = _pid()
    with pytest.raises(OperationalError):
        ask(("SELECT pg_terminate_backend(pg_backend_pid())", {}), (COUNT, {}))
    assert fetch(COUNT, {}) == [(0,)]
    assert _pid() != pid


def test_a_conversation_that_is_broken_off_on_our_side_closes_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    session = _session()

    def broken_off(_pgconn: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(direct_session.generators, "fetch_many", broken_off)
        with pytest.raises(MemoryError):
            fetch_together((INSERT, {"id": 1}), (COUNT, {}))
    assert session.closed
    assert len(fetch(COUNT, {})) == 1


def test_in_the_callers_transaction_all_of_it_is_the_callers() -> None:
    with transaction.atomic():
        assert fetch_in_turn((INSERT, {"id": 1}), (COUNT, {})) == ([(1,)], [(1,)])
        assert fetch_together((INSERT, {"id": 2}), (COUNT, {}))[1] == [(2,)]
        transaction.set_rollback(True)
    assert fetch(COUNT, {}) == [(0,)]
