"""New dead letters since the last look, none twice and none left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone

from deliveries.models import DeadLetter, MaintenanceTask

BATCH = 50_000
GAP_LIFE = timedelta(hours=1)
"""How long a number that was passed over may still turn up: longer than any transaction."""
GAPS_MAX = 500

Gap = list[Any]
"""First and last number of a range, and when it was seen, in ISO 8601: what JSON holds."""


class Row(NamedTuple):
    """What is read of each: a look at a hundred thousand is cheap."""

    pk: int
    merchant_id: int
    webhook_id: int
    created_at: datetime


def new(place: MaintenanceTask) -> list[Row]:
    """Return up to BATCH dead letters that `place` has not passed, in key order."""
    wanted = Q(pk__gt=place.position)
    for first, last, _since in place.gaps:
        wanted |= Q(pk__range=(first, last))
    rows = DeadLetter.objects.filter(wanted).order_by("pk").values_list(*Row._fields)
    return [Row(*row) for row in rows[:BATCH]]


def advance(place: MaintenanceTask, found: Iterable[Row]) -> None:
    """Have `place` pass what was found, or the beginning of it; the caller saves it.

    Numbers are given out before the commit, so a lower one may appear after a higher one was seen. Numbers missing
    below the highest seen are remembered for GAP_LIFE as ranges and asked for again.
    """
    gaps, now = list(place.gaps), timezone.now().isoformat()
    for row in found:
        if row.pk > place.position:
            if row.pk > place.position + 1:
                gaps.append([place.position + 1, row.pk - 1, now])
            place.position = row.pk
        else:
            gaps = list(_without(gaps, row.pk))
    place.gaps = _young(gaps)


def _without(gaps: Iterable[Gap], pk: int) -> Iterable[Gap]:
    for first, last, since in gaps:
        if not first <= pk <= last:
            yield [first, last, since]
            continue
        if first < pk:
            yield [first, pk - 1, since]
        if pk < last:
            yield [pk + 1, last, since]


def _young(gaps: list[Gap]) -> list[Gap]:
    oldest = timezone.now() - GAP_LIFE
    return [gap for gap in gaps if datetime.fromisoformat(gap[2]) > oldest][-GAPS_MAX:]
