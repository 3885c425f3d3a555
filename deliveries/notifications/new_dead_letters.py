"""New dead letters since the last look, none twice and none left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from deliveries.models import DeadLetter, MaintenanceTask

BATCH = 1000
GAP_LIFE = timedelta(hours=1)
"""How long a number that was passed over may still turn up: longer than any transaction."""
GAPS_MAX = 500

Gap = list[Any]
"""First and last number of a range, and when it was seen, in ISO 8601: what JSON holds."""


def new(place: MaintenanceTask) -> list[DeadLetter]:
    """Return up to BATCH dead letters that were not returned before, and bring `place` up to date; the caller saves it.

    Numbers are given out before the commit, so a lower one may appear after a higher one was seen. Numbers missing
    below the highest seen are remembered for GAP_LIFE as ranges and asked for again.
    """
    wanted = Q(pk__gt=place.position)
    for first, last, _since in place.gaps:
        wanted |= Q(pk__range=(first, last))
    rows = DeadLetter.objects.filter(wanted).select_related("webhook", "delivery__event").order_by("pk")
    found = list(rows.defer("delivery__event__data")[:BATCH])
    gaps, now = list(place.gaps), timezone.now().isoformat()
    for dead_letter in found:
        if dead_letter.pk > place.position:
            if dead_letter.pk > place.position + 1:
                gaps.append([place.position + 1, dead_letter.pk - 1, now])
            place.position = dead_letter.pk
        else:
            gaps = list(_without(gaps, dead_letter.pk))
    place.gaps = _young(gaps)
    return found


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
