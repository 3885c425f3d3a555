"""The counters: what a cell is, and adding to any number of them in one statement. `stats` reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from deliveries.database import insert_rows

BANDS: tuple[int, ...] = (5, 10, 20, 35, 50, 75, 100, 200, 350, 500, 1000, 2000, 3500, 5000, 10_000, 30_000)
"""Upper bounds of the response-time bands, in milliseconds; what is slower than the last counts in the last."""

BUCKET = timedelta(minutes=5)
"""The time one counter row covers."""

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
_ADD = """
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
        count = deliveries_counter.count + excluded.count, total_ms = deliveries_counter.total_ms + excluded.total_ms
"""


def add(counts: Iterable[Count]) -> None:
    """Add to the counters, inside the caller's transaction; in a fixed order, so that two writers can't deadlock."""
    cells: dict[tuple[int, int, datetime, str, int], tuple[int, float]] = {}
    for merchant_id, webhook_id, at, result, ms in counts:
        key = (merchant_id, webhook_id, bucket_of(at), result, band_of(ms))
        count, total = cells.get(key, (0, 0.0))
        cells[key] = (count + 1, total + ms)
    insert_rows("deliveries_counter", _COLUMNS, [(*key, *cell) for key, cell in sorted(cells.items())], tail=_ADD)
