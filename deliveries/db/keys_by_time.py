"""From a time to a key without reading the log: keys grow with time, so the key of a moment is found by halving.

Rows of one long transaction, or of two at once, don't sort exactly, so what comes out only prunes; the exact condition
on the time column stands beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

SLACK = timedelta(minutes=10)
"""How far the start and end of one transaction may lie apart."""

# One probe of the primary key a step: the first row from the middle on tells in which half the moment lies.
_FIRST_KEY = """
    WITH RECURSIVE search(low, high) AS (
        SELECT (SELECT min(id) FROM {table}), (SELECT max(id) FROM {table}) + 1
        UNION ALL
        SELECT CASE WHEN probe.created_at < %(moment)s THEN probe.id + 1 ELSE s.low END,
               CASE WHEN probe.created_at < %(moment)s THEN s.high ELSE (s.low + s.high) / 2 END
        FROM search s CROSS JOIN LATERAL (
            SELECT id, created_at FROM {table} WHERE id >= (s.low + s.high) / 2 ORDER BY id LIMIT 1) AS probe
        WHERE s.low < s.high
    )
    SELECT max(low) FROM search
"""


def first_key(model: Any, moment: datetime) -> int:
    """Return the least key whose row was created at `moment` (aware) or later; one past the last where none was."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_KEY.format(table=connection.ops.quote_name(model._meta.db_table)), {"moment": moment})
        [[key]] = cursor.fetchall()
    return key or 0


def since(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    """Leave the rows created at `moment` (aware) or later. One more query."""
    return rows.filter(pk__gte=first_key(rows.model, _moved(moment, -SLACK)), created_at__gte=moment)


def until(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    """Leave the rows created before `moment` (aware). One more query."""
    return rows.filter(pk__lt=first_key(rows.model, _moved(moment, SLACK)), created_at__lt=moment)


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # the first or the last year there is
        return moment
