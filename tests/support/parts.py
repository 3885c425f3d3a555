"""What tests of attempts in parts need: a table in parts of few keys, rows in all of them, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import connection

from deliveries.db import attempt_parts
from deliveries.maintenance import part_tables, parts, parts_conversion
from deliveries.models import Attempt
from tests.support.aging import settled

KEYS = 10
"""Of a part, unless said otherwise."""
JUMP = 1000
"""Keys left out where a table becomes a part; more where parts are larger, as for writers that are fast."""


def quiet(_sentence: str) -> None:
    """Hear what a conversion tells."""


@contextmanager
def small_parts(keys: int = KEYS) -> Iterator[None]:
    """Let parts be made of so few keys for the length of a block."""
    with mock.patch.object(parts, "KEYS_MIN", keys), mock.patch.object(part_tables, "JUMP", max(JUMP, 10 * keys)):
        yield


@contextmanager
def in_parts(keys: int = KEYS) -> Iterator[None]:
    """Have the table in parts for the length of a block. Within a test's transaction nothing is left to undo."""
    with small_parts(keys):
        parts_conversion.to_parts(quiet)
        try:
            yield
        finally:
            if not connection.in_atomic_block:
                undo()


def undo() -> None:
    """Have the table whole again, whatever processes earlier tests left connected."""
    with mock.patch.object(parts_conversion, "other_processes", list):
        parts_conversion.to_whole(quiet)


def read() -> attempt_parts.Parts:
    """Return the parts that there are."""
    found = attempt_parts.read()
    assert found is not None
    return found


def fill(count: int, webhook: Any = None) -> list[Any]:
    """Settle so many deliveries, an attempt each, and make parts ahead after each. Returns them."""
    deliveries = []
    for _delivery in range(count):
        deliveries.append(settled(webhook))
        parts.look_after()
    return deliveries


def rows_of(table: str) -> list[int]:
    """Return the keys of the rows in one part."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM ONLY {attempt_parts.name(table)} ORDER BY id")
        return [key for (key,) in cursor.fetchall()]


def layout() -> list[tuple[int | None, int, int]]:
    """Return bounds and number of rows of each part."""
    return [(part.low, part.high, len(rows_of(part.name))) for part in read().ranges]


def place_of(attempt: Attempt) -> str:
    """Return the part in which a row lies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM webhooks_deliveries_attempt WHERE id = %s", [attempt.pk])
        [(table,)] = cursor.fetchall()
    return str(table)
