"""Plans of the engine's sessions are made once, perhaps on empty tables, and must not walk over a table for ever."""

from __future__ import annotations

import re

import psycopg
import pytest

from deliveries.db.engine_session import engine_session
from tests.deliveries.db.test_statements import STATEMENTS

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
    places: dict[str, str] = {}
    text = PARAMETER.sub(lambda found: places.setdefault(found[1], f"${len(places) + 1}"), sql)
    session.execute(f"CREATE TEMPORARY TABLE {TABLE} (LIKE public.{TABLE} INCLUDING ALL)")
    try:
        session.execute(f"PREPARE asked AS {text}")  # EXPLAIN with values would make a plan for these
        plan = session.execute(f"EXPLAIN EXECUTE asked({', '.join(['NULL'] * len(places))})").fetchall()
        session.execute("DEALLOCATE asked")
    finally:
        session.execute(f"DROP TABLE pg_temp.{TABLE}")
    return [line.strip() for (line,) in plan]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", BY_KEY, ids="/".join)
def test_who_names_deliveries_never_walks_others(place: tuple[str, str]) -> None:
    """Promise 5: thousands of requests that hang cost the outcomes of others nothing."""
    with engine_session() as session:
        plan = plan_on_a_new_table(session, STATEMENTS[place])
    assert not [line for line in plan if f"Seq Scan on {TABLE}" in line]
    assert {name for line in plan for name in INDEX.findall(line)} == {f"{TABLE}_pkey"}, plan
