"""The counters: what a cell is, and adding to any number of them at once. `stats` reads them.

Each attempt counts in two cells, of its five minutes and of its hour, written in one transaction: no later roll-up
could count twice, miss what comes late, or break off between its steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction

from deliveries.db.arrays import columns
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load

BANDS: tuple[int, ...] = (5, 10, 20, 35, 50, 75, 100, 200, 350, 500, 1000, 2000, 3500, 5000, 10_000, 30_000)
"""Upper bounds of the response-time bands, in milliseconds; what is slower than the last counts in the last."""

BUCKET = timedelta(minutes=5)
"""The time a row of Counter covers."""

HOUR = timedelta(hours=1)
"""The time a row of HourCounter covers."""

INTERRUPTED = "interrupted"

ATTEMPTS = ("delivered", "failed", "dead", INTERRUPTED)
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


_SQL = load(__file__, "counters.sql")
_COLUMNS = ("merchant_id", "webhook_id", "bucket", "result", "band", "count", "total_ms")


def add(counts: Iterable[Count]) -> None:
    """Add to the counters, in one statement of the caller's transaction; in a fixed order, against deadlocks."""
    counts = list(counts)
    if counts:
        fetch(_SQL["add"], cell_arrays(counts))


def subtract(counts: Sequence[Count]) -> None:
    """Take back what was counted at that moment, in one statement of the caller's transaction."""
    if counts:
        fetch(_SQL["subtract"], cell_arrays(counts))


def add_after_commit(counts: Sequence[Count]) -> None:
    """Add to the counters once the caller's transaction is committed, however long that is.

    Claims, recorders and publishers share the cells, and must not wait for somebody's transaction.
    """
    if counts:
        transaction.on_commit(lambda: add(counts), robust=True)


def cell_arrays(counts: Sequence[Count]) -> dict[str, str]:
    """Return the parameters of a statement that adds these counts to both tables: `fine_…` and `hour_…` arrays."""
    arrays = {}
    for name, step in (("fine", BUCKET), ("hour", HOUR)):
        for column, values in columns(_COLUMNS, _cells(counts, step)).items():
            arrays[f"{name}_{column}"] = values
    return arrays


def _cells(counts: Sequence[Count], step: timedelta) -> list[tuple[Any, ...]]:
    seconds = int(step.total_seconds())
    cells: dict[tuple[int, int, int, str, int], tuple[int, float]] = {}
    for merchant_id, webhook_id, at, result, ms in counts:
        key = (merchant_id, webhook_id, int(at.timestamp()) // seconds, result, band_of(ms))
        count, total = cells.get(key, (0, 0.0))
        cells[key] = (count + 1, total + ms)
    return [
        (merchant_id, webhook_id, datetime.fromtimestamp(nth * seconds, tz=UTC), result, band, *cell)
        for (merchant_id, webhook_id, nth, result, band), cell in sorted(cells.items())
    ]
