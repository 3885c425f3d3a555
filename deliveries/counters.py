"""Writing the counters that `stats` reads: one statement adds any number of cells."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from deliveries import stats
from deliveries.database import insert_rows


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
        key = (merchant_id, webhook_id, stats.bucket_of(at), result, stats.band_of(ms))
        count, total = cells.get(key, (0, 0.0))
        cells[key] = (count + 1, total + ms)
    insert_rows("deliveries_counter", _COLUMNS, [(*key, *cell) for key, cell in sorted(cells.items())], tail=_ADD)
