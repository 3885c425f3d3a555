"""When beat called what: a row for each entry of its schedule, timed by the database's clock.

No host's clock and no file decides what is due, so a beat on a host whose clock is wrong calls on time, another beat
beside it calls nothing twice, and a time that lies ahead is put right. An entry that nobody has begun with is not
called again for a while, so that calls don't pile up while no worker takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import DateTimeField, F, Func, Max

from deliveries.models import MaintenanceTask
from subscriptions.logs import get_logger

log = get_logger(__name__)

IsDue = Callable[[str, datetime, datetime], bool]

SCHEDULER: Final = "webhooks_project.beat:DatabaseScheduler"
"""The scheduler of Celery's beat that keeps its memory here."""
LOST_AFTER: Final = timedelta(seconds=60)
"""A call that nobody began with for so long counts as lost."""
AHEAD: Final = timedelta(seconds=1)
"""A time further ahead than this is wrong."""

_BEGUN = 0
"""What `position` says of an entry whose last call a worker has begun with; else how many calls none has."""


class _ClockTimestamp(Func):
    function = "clock_timestamp"
    output_field = DateTimeField()


def call_due(entries: Iterable[str], is_due: IsDue, call: Callable[[str], None]) -> int:
    """Call the entries that are due; return how many.

    Args:
        entries: Their names.
        is_due: Tells whether an entry is due, by its name, when it was called last, and the time.
        call: Sends the call. What it raises is the caller's; such an entry stays due.
    """
    names = {_row(entry): entry for entry in entries}
    MaintenanceTask.objects.bulk_create([MaintenanceTask(name=name) for name in names], ignore_conflicts=True)
    called = 0
    with transaction.atomic():
        rows = MaintenanceTask.objects.select_for_update(skip_locked=True).filter(name__in=names)
        for row in rows.annotate(now=_ClockTimestamp()).order_by("name"):
            if _is_due(row, names[row.name], row.now, is_due):
                call(names[row.name])
                row.ran_at, row.position = row.now, row.position + 1
                row.save(update_fields=["ran_at", "position"])
                called += 1
    return called


def begun(entries: Sequence[str]) -> None:
    """Note that a worker has begun with what these entries call.

    It may be quicker than beat's commit: the statement then waits for the row.
    """
    MaintenanceTask.objects.filter(name__in=[_row(entry) for entry in entries]).update(position=_BEGUN)


def last_calls(entries: Iterable[str]) -> dict[str, timedelta | None]:
    """Return how long ago each entry was called, by the database's clock; None for never, less than zero for ahead."""
    names = {_row(entry): entry for entry in entries}
    rows = MaintenanceTask.objects.filter(name__in=names, ran_at__isnull=False).annotate(
        ago=_ClockTimestamp() - F("ran_at")
    )
    found = {names[row.name]: row.ago for row in rows}
    return {entry: found.get(entry) for entry in names.values()}


def unanswered(entries: Iterable[str]) -> int:
    """Return how many calls in a row no worker has begun with, of the entry with the most."""
    rows = MaintenanceTask.objects.filter(name__in=[_row(entry) for entry in entries])
    return rows.aggregate(most=Max("position"))["most"] or 0


def _row(entry: str) -> str:
    return f"{MaintenanceTask.BEAT}{entry}"[:30]


def _is_due(row: MaintenanceTask, entry: str, now: datetime, is_due: IsDue) -> bool:
    if row.ran_at is None:
        return True
    if row.ran_at > now + AHEAD:
        log.warning("call_time_ahead", entry=entry, seconds=round((row.ran_at - now).total_seconds(), 1))
        return True
    if row.position != _BEGUN and now - row.ran_at < LOST_AFTER:
        return False
    return is_due(entry, row.ran_at, now)
