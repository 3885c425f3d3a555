"""The table of attempts, where it is in parts: which there are, how far they reach, and whether a row is in none.

An installation's table is whole until somebody runs `manage.py partition_attempts`. In parts it has the same name, key
and columns; a part holds a range of keys, which grow with time, and one more part holds whatever has no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

TABLE: Final = "webhooks_deliveries_attempt"
OUTSIDE_MAX: Final = 1000
"""Rows in no part that are counted: there should be none."""

_RANGE = re.compile(r"FOR VALUES FROM \((MINVALUE|'?-?\d+'?)\) TO \('?(-?\d+)'?\)")
_PARTS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(%s)"""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A part of the table: keys from `low` on (the oldest part has no least key) and less than `high`."""

    high: int
    low: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Parts:
    """All parts, the oldest first, the one for rows that have no other, and the last key that was given out."""

    ranges: tuple[Part, ...]
    rest: str
    last_key: int

    @property
    def ahead(self) -> int:
        """How many parts no key has come to yet."""
        return sum(part.low is not None and part.low > self.last_key for part in self.ranges)

    def outside(self) -> int:
        """Return how many rows are in no part of a range, up to OUTSIDE_MAX."""
        return int(one(f"SELECT count(*) FROM (SELECT FROM {name(self.rest)} LIMIT {OUTSIDE_MAX}) AS found"))


def read() -> Parts | None:
    """Return the parts; None where the table is whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", [TABLE])
        if [kind for (kind,) in cursor.fetchall()] != ["p"]:
            return None
        cursor.execute(_PARTS, [TABLE])
        found = cursor.fetchall()
    ranges = [
        Part(int(match[2]), None if match[1] == "MINVALUE" else int(match[1].strip("'")), part)
        for part, bounds in found
        if (match := _RANGE.match(bounds))
    ]
    [rest] = [part for part, bounds in found if bounds == "DEFAULT"]
    return Parts(tuple(sorted(ranges, key=lambda part: part.high)), rest, last_key())


def last_key() -> int:
    """Return the last key that was given out; 0 where none was."""
    return int(one("SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass), 0)", TABLE))


def name(table: str) -> str:
    """Return a table's name as statements have it."""
    return connection.ops.quote_name(table)


def one(statement: str, *values: Any, **named: Any) -> Any:
    """Run a statement and return the only value of its only row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or named or None)
        [(value,)] = cursor.fetchall()
    return value
