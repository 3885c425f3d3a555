"""What is done to tables that are parts: made, attached, detached, proved. Their names are ours, and quoted here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import DatabaseError, OperationalError, connection, transaction

from deliveries.db.arrays import literal
from deliveries.db.attempt_parts import TABLE, name, one
from deliveries.maintenance.turns import turn

LOCK_SECONDS: Final = 1.0
"""For which a statement may wait for a lock, and others behind it."""
JUMP: Final = 1_000_000_000
"""Keys that are left out where a table becomes a part, so that no row comes to its end while it is looked through."""
PROOF: Final = "attempt_part_range"
"""The constraint that proves a part's range, so that none is looked through under a lock."""
REST: Final = f"{TABLE}_rest"
"""The part of whatever has no other."""
OLDEST: Final = f"{TABLE}_oldest"
"""The part below all others, to which moves what must stay."""

_TURN = "attempt parts"


class Busy(OperationalError):
    """Another process sees to the parts."""


def name_from(low: int) -> str:
    """Return the name of the part that begins with this key."""
    return f"{TABLE}_from_{low}"


@contextmanager
def alone() -> Iterator[None]:
    """Hold the parts' lock for a transaction whose statements wait shortly for those of tables.

    Raises Busy where another process holds it.
    """
    with transaction.atomic():
        if turn(_TURN) is None:
            raise Busy("another process sees to the parts")
        wait_shortly()
        yield


def wait_shortly() -> None:
    """Let this transaction's statements wait for locks for LOCK_SECONDS each."""
    one("SELECT set_config('lock_timeout', %s, true)", str(round(LOCK_SECONDS * 1000)))


def run(statement: str, parameters: Any = None) -> None:
    """Run a statement that has no rows. Raises OperationalError where it waited too long."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def lock() -> None:
    """Let nobody else use the table until the transaction ends."""
    run(f"LOCK TABLE ONLY {name(TABLE)} IN ACCESS EXCLUSIVE MODE")


def make(part: str) -> None:
    """Make a table like all of attempts, with its indexes, that is no part yet. Nobody waits for it."""
    like = "INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS EXCLUDING COMMENTS"
    run(f"CREATE TABLE {name(part)} (LIKE {name(TABLE)} {like})")


def attach(part: str, low: int | None, high: int) -> None:
    """Make a table the part of a range of keys, in which the rest has none. The rest is locked for a moment.

    Those who insert into other parts go on. One who inserts a key of the range at the same time would fail: PostgreSQL
    leads it to the rest, and then refuses it there. So where that may be, the caller has `lock`ed the table.
    """
    least = "MINVALUE" if low is None else low
    run(f"ALTER TABLE {name(TABLE)} ATTACH PARTITION {name(part)} FOR VALUES FROM ({least}) TO ({high})")


def attach_rest() -> None:
    """Make an empty table the part of whatever has no other, so that no insert ever fails."""
    make(REST)
    run(f"ALTER TABLE {name(TABLE)} ATTACH PARTITION {name(REST)} DEFAULT")


def detach(part: str) -> None:
    """Make a part a table of its own. Needs all of attempts for itself: beside a rest it can't be done concurrently."""
    run(f"ALTER TABLE {name(TABLE)} DETACH PARTITION {name(part)}")


def rename(part: str, to: str) -> None:
    """Give a table another name."""
    run(f"ALTER TABLE {name(part)} RENAME TO {name(to)}")


def drop(part: str) -> None:
    """Drop a table that is no part any more."""
    run(f"DROP TABLE {name(part)}")


def move(keys: list[int], part: str, to: str) -> None:
    """Copy rows into another table."""
    rows = f"SELECT * FROM {name(part)} WHERE id = ANY (%(keys)s::bigint[])"
    run(f"INSERT INTO {name(to)} {rows}", {"keys": literal(keys)})


def prove(table: str, low: int | None, high: int) -> None:
    """Have a table's rows looked through for keys from `low` on and less than `high`, while everybody goes on.

    Raises:
        OperationalError: A lock was not to be had.
        django.db.IntegrityError: It has others; nothing is changed.
    """
    bounds = f"id < {high}" if low is None else f"id >= {low} AND id < {high}"
    with transaction.atomic():
        wait_shortly()
        forget(table)
        run(f"ALTER TABLE {name(table)} ADD CONSTRAINT {PROOF} CHECK ({bounds}) NOT VALID")  # takes a moment
    try:
        run(f"ALTER TABLE {name(table)} VALIDATE CONSTRAINT {PROOF}")
    except DatabaseError:
        forget(table)
        raise


def forget(table: str) -> None:
    """Take the proof away, if there is one: the part's bounds say the same."""
    run(f"ALTER TABLE {name(table)} DROP CONSTRAINT IF EXISTS {PROOF}")


def skip_to(key: int) -> None:
    """Let the next attempt have this key."""
    one("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, %s)", TABLE, max(key - 1, 1), key > 1)
