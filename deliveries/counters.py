"""The counters: what a cell is, and adding to any number of them at once. `stats` reads them.

Each attempt counts in two cells, of its five minutes and of its hour, written in one transaction: no later roll-up
could count twice, miss what comes late, or break off between its steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from deliveries.database import is_postgres, quoted, rows_source

BANDS: tuple[int, ...] = (5, 10, 20, 35, 50, 75, 100, 200, 350, 500, 1000, 2000, 3500, 5000, 10_000, 30_000)
"""Upper bounds of the response-time bands, in milliseconds; what is slower than the last counts in the last."""

BUCKET = timedelta(minutes=5)
"""The time a row of Counter covers."""

HOUR = timedelta(hours=1)
"""The time a row of HourCounter covers."""

ATTEMPTS = ("delivered", "failed", "dead", "interrupted")
"""The results that are attempts; a failed attempt is `dead` when none follows it, else `failed`."""

SKIPPED, LATENESS = "skipped", "lateness"


def band_of(ms: float) -> int:
    """Return the index into BANDS of a duration in milliseconds."""
    return min(bisect_left(BANDS, ms), len(BANDS) - 1)


def bucket_of(moment: datetime) -> datetime:
    """Return the start of the five minutes that hold `moment` (aware), in UTC."""
    return floor(moment, BUCKET)


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the start of the step that holds `moment`, counted from 1970, in UTC."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, tz=UTC)


class Count(NamedTuple):
    """One thing to count, with how long it took in milliseconds."""

    merchant_id: int
    webhook_id: int
    at: datetime
    result: str
    ms: float = 0.0


_COLUMNS = {
    "merchant_id": "bigint",
    "webhook_id": "bigint",
    "bucket": "timestamptz",
    "result": "text",
    "band": "int",
    "count": "int",
    "total_ms": "float8",
}
_NAMES = ", ".join(map(quoted, _COLUMNS))
_ADD = """
    INSERT INTO {table} ({names}) SELECT {names} FROM {source} WHERE true
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
        count = {table}.count + excluded.count, total_ms = {table}.total_ms + excluded.total_ms
"""


def add(counts: Iterable[Count]) -> None:
    """Add to the counters; in a fixed order, so that two writers can't deadlock.

    One statement, however many counts; SQLite, which takes no INSERT in a WITH, gets two in a transaction.
    """
    counts = list(counts)
    if not counts:
        return
    fine, fine_rows = _adding("deliveries_counter", _cells(counts, BUCKET))
    hour, hour_rows = _adding("deliveries_hourcounter", _cells(counts, HOUR))
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        if is_postgres():
            cursor.execute(f"WITH fine AS ({fine}) {hour}", fine_rows + hour_rows)
        else:
            cursor.execute(fine, fine_rows)
            cursor.execute(hour, hour_rows)


def _adding(table: str, cells: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
    source, parameters = rows_source("r", _COLUMNS, cells)
    return _ADD.format(table=table, names=_NAMES, source=source), parameters


def _cells(counts: Sequence[Count], step: timedelta) -> list[tuple[Any, ...]]:
    cells: dict[tuple[int, int, datetime, str, int], tuple[int, float]] = {}
    for merchant_id, webhook_id, at, result, ms in counts:
        key = (merchant_id, webhook_id, floor(at, step), result, band_of(ms))
        count, total = cells.get(key, (0, 0.0))
        cells[key] = (count + 1, total + ms)
    return [(*key, *cell) for key, cell in sorted(cells.items())]
