"""Plans of the engine's sessions are made once, perhaps on empty tables, and must not walk over a table for ever."""

from __future__ import annotations

import re

import pytest

from deliveries.db.engine_session import engine_session
from tests.deliveries.db.test_statements import STATEMENTS

PARAMETER = re.compile(r"%\((\w+)\)s")
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", BY_KEY, ids="/".join)
def test_who_names_deliveries_never_walks_others(place: tuple[str, str]) -> None:
    """Promise 5: thousands of requests that hang cost the outcomes of others nothing."""
    places: dict[str, str] = {}
    sql = PARAMETER.sub(lambda found: places.setdefault(found[1], f"${len(places) + 1}"), STATEMENTS[place])
    with engine_session() as session:  # the generic plan: EXPLAIN with values would make one for these
        session.execute(f"PREPARE asked AS {sql}")
        nothing = ", ".join(["NULL"] * len(places))
        plan = [row[0].strip() for row in session.execute(f"EXPLAIN EXECUTE asked({nothing})")]
        session.execute("DEALLOCATE asked")
    lookups = [line for line in plan if "Index Scan" in line and "delivery" in line]
    assert lookups
    assert all("webhooks_deliveries_delivery_pkey" in line for line in lookups), lookups
