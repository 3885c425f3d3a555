"""Plans of the engine's sessions are made once, perhaps on empty tables, and must not walk over a table for ever."""

from __future__ import annotations

import re

import psycopg
import pytest

from deliveries.db.attempt_parts import TABLE as ATTEMPTS
from deliveries.db.engine_session import engine_session
from tests.deliveries.db.test_statements import STATEMENTS
from tests.support.parts import in_parts, read

PARAMETER = re.compile(r"%\((\w+)\)s")
TABLE = "webhooks_deliveries_delivery"
INDEX = re.compile(rf"Index (?:Only )?Scan (?:Backward )?(?:using|on) ({TABLE}_\w+)")
BY_KEY = [
    ("outcomes.sql", "record"),
    ("outcomes.sql", "move_late"),
    ("claims.sql", "release"),
    ("ordering.sql", "release"),
    ("expiry.sql", "cancel"),
    ("dead_letters.sql", "mark_dead"),
    ("dead_letters.sql", "open_dead_letters"),
]
"""Statements that name the deliveries that they change."""


def plan_on_a_new_table(session: psycopg.Connection, sql: str) -> list[str]:
    """Return the generic plan of a statement where the table of deliveries was made just now.

    A temporary table of its name stands before it, with its indexes and without a statistic: those of the real one are
    what earlier tests and autovacuum made of them.
    """
    session.execute(f"CREATE TEMPORARY TABLE {TABLE} (LIKE public.{TABLE} INCLUDING ALL)")
    try:
        return generic_plan(session, sql)
    finally:
        session.execute(f"DROP TABLE pg_temp.{TABLE}")


def generic_plan(session: psycopg.Connection, sql: str) -> list[str]:
    """Return the plan of a statement for any parameters."""
    places: dict[str, str] = {}
    text = PARAMETER.sub(lambda found: places.setdefault(found[1], f"${len(places) + 1}"), sql)
    session.execute(f"PREPARE asked AS {text}")  # EXPLAIN with values would make a plan for these
    values = f"({', '.join(['NULL'] * len(places))})" if places else ""
    plan = session.execute(f"EXPLAIN EXECUTE asked{values}").fetchall()
    session.execute("DEALLOCATE asked")
    return [line.strip() for (line,) in plan]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", BY_KEY, ids="/".join)
def test_who_names_deliveries_never_walks_others(place: tuple[str, str]) -> None:
    """Promise 5: thousands of requests that hang cost the outcomes of others nothing."""
    with engine_session() as session:
        plan = plan_on_a_new_table(session, STATEMENTS[place])
    assert not [line for line in plan if f"Seq Scan on {TABLE}" in line]
    assert {name for line in plan for name in INDEX.findall(line)} == {f"{TABLE}_pkey"}, plan


OF_ATTEMPTS = [
    (file, name)
    for (file, name), sql in STATEMENTS.items()
    if ATTEMPTS in sql and not file.startswith("parts") and name not in {"record", "log_attempts"}
]
"""Statements that look for attempts, not only log them."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", OF_ATTEMPTS, ids="/".join)
def test_who_looks_for_attempts_in_parts_goes_by_an_index_of_each(place: tuple[str, str]) -> None:
    with in_parts(), engine_session() as session:
        plan = generic_plan(session, STATEMENTS[place])
        names = {part.name for part in read().ranges} | {read().rest}
    assert not [line for line in plan if re.search(rf"Seq Scan on {ATTEMPTS}", line)], plan
    assert {name for line in plan for name in re.findall(rf" on ({ATTEMPTS}_\w+)", line)} >= names, plan


@pytest.mark.django_db(transaction=True)
def test_who_names_an_attempt_by_its_key_reads_one_part() -> None:
    with in_parts(), engine_session() as session:
        first = read().ranges[1]
        found = session.execute(f"EXPLAIN SELECT * FROM {ATTEMPTS} WHERE id = {first.low}").fetchall()
        plan = [line for (line,) in found]
    assert [name for line in plan for name in re.findall(rf" on ({ATTEMPTS}_\w+)", line)] == [first.name], plan


@pytest.mark.django_db(transaction=True)
def test_who_records_looks_at_no_part_but_the_one_that_is_written_to() -> None:
    """A chunk of outcomes locks the table and one part, however many there are."""
    with in_parts(), engine_session() as session:
        plan = generic_plan(session, STATEMENTS["outcomes.sql", "record"])
    assert [line for line in plan if f"Insert on {ATTEMPTS} " in line], plan
    assert not [line for line in plan if f"{ATTEMPTS}_" in line], plan


WHAT_IS_DUE = [
    (file, name)
    for (file, name), sql in STATEMENTS.items()
    if file in {"claims.sql", "expiry.sql", "feeds.sql", "ordering.sql", "orphans.sql"} and f"FROM {TABLE}" in sql
]
"""Statements that look for deliveries that are open."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("backlog", [1.0, 0.5, 0.02])
@pytest.mark.parametrize("place", WHAT_IS_DUE, ids="/".join)
def test_who_looks_for_what_is_due_never_walks_what_was_sent(place: tuple[str, str], backlog: float) -> None:
    """Whatever part of the log was due when statistics were taken: a webhook's log grows, what is due to it doesn't."""
    with engine_session() as session, session.transaction(force_rollback=True):
        session.execute(
            f"INSERT INTO {TABLE} (merchant_id, webhook_id, event_id, event_type, due_at, status, closed_at)"
            " SELECT 1, 1000 + n %% 60, n, 'x', CASE WHEN is_due THEN now() END,"
            " CASE WHEN is_due THEN 'pending' ELSE 'delivered' END, CASE WHEN NOT is_due THEN now() END"
            " FROM (SELECT n, n %% 1000 < %s * 1000 AS is_due FROM generate_series(1, 12000) AS n) AS all_of_them",
            [backlog],
        )
        session.execute(f"ANALYZE {TABLE}")
        session.execute("SELECT set_config('webhooks.turns', '1,2', true)")  # as the claim's first statement leaves it
        plan = generic_plan(session, STATEMENTS[place])
    assert not [line for line in plan if f"Seq Scan on {TABLE}" in line], "\n".join(plan)
    assert not [line for line in plan if "delivery_of_" in line], "\n".join(plan)
