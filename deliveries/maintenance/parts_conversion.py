"""The table of attempts from one form into the other: in parts beside processes that work, or whole while none does.

Either way it changes in one transaction, or not at all. In parts, the table that there was is the first part: nothing
is copied, its rows are looked through beforehand while everybody goes on, and it is locked for a moment only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection

from deliveries.db import attempt_parts
from deliveries.db.attempt_parts import TABLE, name, one
from deliveries.db.outages import sqlstate
from deliveries.db.statements import load
from deliveries.maintenance import part_tables, parts
from deliveries.maintenance.part_tables import OLDEST, PROOF, Busy, name_from, run

Tell = Callable[[str], None]

PAUSE_SECONDS: Final = 2.0
"""Between two tries for a lock, for those who waited behind."""
PATIENCE_SECONDS: Final = 600.0
"""After which it is tried no more."""
NOT_AVAILABLE: Final = "55P03"
_FORMER: Final = f"{TABLE}_former"
_COPIED: Final = "DEFAULTS", "CONSTRAINTS", "GENERATED", "STORAGE", "COMPRESSION", "COMMENTS"
"""What a table of the other form has of this one, beside its columns; indexes and the key's numbers are made anew."""

_SQL = load(__file__, "parts_conversion.sql")


class CannotConvert(Exception):
    """Something is in the way; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What the table has, whichever form it is of."""

    key: str
    sequence: str
    indexes: list[tuple[str, str]]
    rights: list[str]


def to_parts(tell: Tell) -> None:
    """Make the table the first part of one in parts. `tell` gets a sentence for each step.

    Raises:
        CannotConvert: Something hangs on the table, or no lock was to be had. Nothing is changed.
    """
    if attempt_parts.read() is not None:
        raise CannotConvert("Attempts are in parts already. `manage.py doctor` says how they are.")
    _check_obstacles()
    least = one(f"SELECT min(id) FROM {name(TABLE)}")
    if least is not None and least < 1:
        raise CannotConvert(f"An attempt's key is {least}; keys begin at 1. Delete it, or give it another.")
    high = attempt_parts.last_key() + part_tables.JUMP
    size = one("SELECT pg_size_pretty(pg_total_relation_size(to_regclass(%s)))", TABLE)
    if least is not None:
        tell(f"Looking through the table ({size}), while everything goes on.")
        _patiently(lambda: part_tables.prove(TABLE, 1, high), tell)
    try:
        _patiently(lambda: _swap_in(high), tell)
    except BaseException:
        part_tables.forget(TABLE)
        raise
    parts.look_after()


def _swap_in(high: int) -> None:
    keys = parts.keys_a_part()
    with part_tables.alone():
        part_tables.lock()
        is_empty = not one(f"SELECT EXISTS (SELECT FROM {name(TABLE)})")
        form, last = _form(), attempt_parts.last_key()
        _make_way(form, "first")
        run(_made_like(_FORMER, " PARTITION BY RANGE (id)"))
        run(f"ALTER TABLE {name(TABLE)} DROP CONSTRAINT IF EXISTS {PROOF}")
        _furnish(form)
        if is_empty:
            low = last + 1
            part_tables.drop(_FORMER)
        else:
            low = 1
            part_tables.rename(_FORMER, name_from(low))
            part_tables.attach(name_from(low), low, high)
            part_tables.forget(name_from(low))
        part_tables.make(OLDEST)
        part_tables.attach(OLDEST, None, low)
        next_key = low if is_empty else high
        parts.make(next_key, keys)
        part_tables.attach_rest()
        part_tables.skip_to(next_key)


def to_whole(tell: Tell) -> None:
    """Copy all parts into one table, while nothing else uses them. `tell` gets a sentence for each step.

    Raises:
        CannotConvert: Processes of the service are connected, or something hangs on the table. Nothing is changed.
    """
    found = attempt_parts.read()
    if found is None:
        raise CannotConvert("Attempts are in one table already.")
    _check_obstacles()
    if others := other_processes():
        text = "All attempts are copied, and whoever uses them would wait. Stop web, workers and beat first: "
        raise CannotConvert(f"{text}{', '.join(others)} are connected.")
    _patiently(lambda: _copy(tell), tell)
    run(f"ANALYZE {name(TABLE)}")


def other_processes() -> list[str]:
    """Return the names (`host:pid`) of the service's processes that are connected, but this one's."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL["others"])
        return [process for (process,) in cursor.fetchall()]


def _copy(tell: Tell) -> None:
    with part_tables.alone():
        part_tables.lock()
        found = attempt_parts.read()
        assert found is not None
        form = _form()
        _make_way(form, "parts")
        run(_made_like(_FORMER))
        for number, part in enumerate([*(part.name for part in found.ranges), found.rest], start=1):
            with connection.cursor() as cursor:
                columns = ", ".join(_columns())
                cursor.execute(f"INSERT INTO {name(TABLE)} ({columns}) SELECT {columns} FROM {name(part)}")
                tell(f"Part {number} of {len(found.ranges) + 1}: {cursor.rowcount:,} attempts are copied.")
        tell("Making the indexes.")
        _furnish(form)
        part_tables.skip_to(found.last_key + 1)
        part_tables.drop(_FORMER)


# --- what both do -----------------------------------------------------------------------------------------------------


def _check_obstacles() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SQL["obstacles"])
        found = [sentence for (sentence,) in cursor.fetchall()]
    if found:
        raise CannotConvert(f"The table {TABLE} can't be changed: {'; '.join(found)}. Nothing was changed.")


def _form() -> _Form:
    with connection.cursor() as cursor:
        cursor.execute(_SQL["names"])
        [(key, sequence)] = cursor.fetchall()
        cursor.execute(_SQL["indexes"])
        indexes = cursor.fetchall()
        cursor.execute(_SQL["rights"])
        return _Form(key, sequence, indexes, [statement for (statement,) in cursor.fetchall()])


def _make_way(form: _Form, mark: str) -> None:
    """Give the table and its indexes other names, and take its numbers away, which frees the sequence's name."""
    part_tables.rename(TABLE, _FORMER)
    run(f"ALTER TABLE {name(_FORMER)} ALTER COLUMN id DROP IDENTITY")
    for index in (form.key, *(index for index, _made_by in form.indexes)):
        run(f"ALTER INDEX {name(index)} RENAME TO {name(f'{index[:50]}_{mark}')}")


def _made_like(former: str, form: str = "") -> str:
    copied = " ".join(f"INCLUDING {part}" for part in _COPIED)
    return f"CREATE TABLE {name(TABLE)} (LIKE {name(former)} {copied}){form}"


def _furnish(form: _Form) -> None:
    """Give the new table its key with the numbers, its indexes, and its rights."""
    numbers = f"GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME {name(form.sequence)})"
    run(f"ALTER TABLE {name(TABLE)} ALTER COLUMN id ADD {numbers}")
    run(f"ALTER TABLE {name(TABLE)} ADD CONSTRAINT {name(form.key)} PRIMARY KEY (id)")
    for _index, made_by in form.indexes:
        run(made_by.replace(" ON ONLY ", " ON "))  # so it is written where there are parts
    for right in form.rights:
        run(right)


def _columns() -> list[str]:
    with connection.cursor() as cursor:
        return [name(column.name) for column in connection.introspection.get_table_description(cursor, TABLE)]


def _patiently(step: Callable[[], Any], tell: Tell) -> None:
    """Do a step as soon as nobody holds the locks that it needs. Raises CannotConvert after PATIENCE_SECONDS."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            step()
            return
        except OperationalError as error:
            if sqlstate(error) != NOT_AVAILABLE and not isinstance(error, Busy):
                raise
            if time.monotonic() > ends:
                raise CannotConvert(
                    "Others use the table all the time: `manage.py doctor` names the oldest transaction. Nothing was "
                    "changed; try again."
                ) from error
            tell("Somebody uses the table; trying again in a moment.")
            time.sleep(PAUSE_SECONDS)
