"""Rows in a state that nothing leaves any more: what the engine's rules exclude, looked for all the same.

Each kind is a statement of `stuck_rows.sql`, over indexes of what is open. A finding is a fault of the engine's, or of
somebody who changed rows by hand.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from deliveries.db.engine_session import fetch
from deliveries.db.statements import load

_SQL = load(__file__, "stuck_rows.sql")

KINDS: Final = tuple(_SQL)
LIMIT: Final = 100
"""Rows of a kind that are looked for; more are as bad."""
NEWEST: Final = 100_000
"""Deliveries, the newest, among which those are looked for that no index shows."""
AFTER: Final = 600
"""Seconds after which what passes by itself (a claim that ran out, a job without progress) counts as stuck."""


class Stuck(NamedTuple):
    """A kind of stuck row, with the keys of those found, LIMIT at most."""

    kind: str
    keys: list[int]


def look() -> list[Stuck]:
    """Look for every kind; return all of them, those without a finding too. Raises DatabaseError."""
    given = {"limit": LIMIT, "newest": NEWEST, "seconds": AFTER}
    return [Stuck(kind, [row.id for row in fetch(statement, given)]) for kind, statement in _SQL.items()]
