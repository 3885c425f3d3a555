"""Upkeep of attempts in parts: parts are made ahead, and go as a whole once all of their rows are old.

Nobody waits long for it. Making a part locks nobody who inserts, as long as no key has come near it. Dropping one needs
the table for itself, for the time that it takes to note it, so it waits a second for that at most (and others behind
it), and else leaves it to the next run. Rows of a part that goes which must stay, since their delivery is open or in
review, move into the part below. What is left of parts that have too many of those is purged in batches, as a whole
table is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, OperationalError, connection
from django.db.models import Sum
from django.utils import timezone

from deliveries.db import attempt_parts
from deliveries.db.attempt_parts import Part, Parts, name, one
from deliveries.db.counters import ATTEMPTS
from deliveries.db.statements import load
from deliveries.maintenance import part_tables
from deliveries.models import HourCounter
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

AHEAD: Final = 2
"""Parts that are ready for what comes, beside the one that is written to."""
KEYS_MIN, KEYS_MAX = 1_000_000, 500_000_000
"""Keys a part: at the least what a flood takes between two runs; at the most what is a file of some size."""
NEAR: Final = 500_000
"""Keys that may be given out while a part is made."""
SPANS: Final = 12
"""A part is to last a twelfth of the time that attempts are kept: by so much the first of its rows stays longer."""
SPAN_MAX: Final = timedelta(days=30)
STAYS_MAX: Final = 20_000
"""Rows of a part that goes which may move to the part below while others wait."""
SETTLED: Final = timedelta(hours=1)
"""By how much a part's last rows must be older than old, so that all of them are."""
ANALYZED_EVERY: Final = timedelta(days=1)

_SQL = load(__file__, "parts.sql")
_NEWEST = "SELECT max(started_at) FROM (SELECT started_at FROM {part} ORDER BY id DESC LIMIT 1000) AS last_rows"
_STAYS = "SELECT a.id FROM ({unfinished}) AS d JOIN {part} a ON a.delivery_id = d.id LIMIT {limit}"


@dataclass(slots=True)
class Done:
    """What a run came to: parts made and dropped, rows that moved on from those, and rows that had no part."""

    made: int = 0
    dropped: int = 0
    moved: int = 0
    taken_in: int = 0


def look_after() -> Done:
    """Take in rows that had no part, make parts ahead, and drop those that are old. Nothing where the table is whole.

    A step that finds no lock, or whose statement took too long, is left to the next run.
    """
    done = Done()
    for step in (_take_in, _make_ahead, _drop_old, _analyze):
        parts = attempt_parts.read()
        if parts is None:
            return done
        try:
            step(parts, done)
        except (OperationalError, IntegrityError) as error:
            log.warning("attempt_parts_wait", step=step.__name__.strip("_"), error=str(error)[:200])
    if done != Done():
        log.info("attempt_parts", made=done.made, dropped=done.dropped, moved=done.moved, taken_in=done.taken_in)
    return done


def span() -> timedelta:
    """Return how long a part is to last."""
    days: int = settings.WEBHOOKS_KEEP_ATTEMPTS
    return min(timedelta(days=days) / SPANS, SPAN_MAX) if days else SPAN_MAX


def take_all() -> bool:
    """Tell whether all attempts go with their parts, and none with its delivery or event, which are kept as long."""
    kept = [days for days in (settings.WEBHOOKS_KEEP_DELIVERIES, settings.WEBHOOKS_KEEP_EVENTS) if days]
    return 0 < settings.WEBHOOKS_KEEP_ATTEMPTS <= min([*kept, sys.maxsize]) and attempt_parts.read() is not None


@dataclass(frozen=True, slots=True)
class OldBefore:
    """When attempts are old for batches: those with keys less than `limit` before a moment, others a while later."""

    moment: datetime
    limit: int = sys.maxsize
    later: timedelta = timedelta(0)

    def of(self, key: int) -> datetime:
        """Return the moment before which the row with a key is old."""
        return self.moment if key < self.limit else self.moment - self.later


def old_before(moment: datetime) -> OldBefore:
    """Return when batches purge attempts that grow old at a moment.

    Rows of parts that will soon go as a whole have a part's time longer. That bounds how long they stay where traffic
    has fallen, and a part lasts longer than it was made for.
    """
    parts = attempt_parts.read()
    if parts is None:
        return OldBefore(moment)
    young = next((part for part in parts.ranges[1:] if not _is_old(part, parts, moment)), None)
    return OldBefore(moment, (young and young.low) or sys.maxsize, span())


# --- making -----------------------------------------------------------------------------------------------------------


def _make_ahead(parts: Parts, done: Done) -> None:
    missing = AHEAD - parts.ahead
    if missing > 0:
        keys = keys_a_part()
        with part_tables.alone():
            if parts.ranges[-1].high - parts.last_key < NEAR:
                part_tables.lock()  # else one that inserts a key of the new part at this moment might fail
            make(parts.ranges[-1].high, keys, missing)
        done.made += missing


def keys_a_part() -> int:
    """Return how many keys a new part gets: what the attempts of the last week say that its time needs."""
    week = HourCounter.objects.filter(bucket__gte=timezone.now() - timedelta(days=7), result__in=ATTEMPTS)
    attempts = week.aggregate(all=Sum("count"))["all"] or 0
    return int(min(max(attempts * (span() / timedelta(days=7)), KEYS_MIN), KEYS_MAX))


def make(low: int, keys: int, count: int = AHEAD) -> None:
    """Make so many parts of so many keys from `low` on, in the caller's transaction."""
    for first in range(low, low + count * keys, keys):
        part_tables.make(part_tables.name_from(first))
        part_tables.attach(part_tables.name_from(first), first, first + keys)


def _take_in(parts: Parts, done: Done) -> None:
    """Make the rest, where it has rows, the part of their keys, and a new rest. They come where no part was ahead."""
    found = parts.outside()
    if not found:
        return
    low, high = parts.ranges[-1].high, parts.last_key + part_tables.JUMP
    part_tables.prove(part_tables.REST, low, high)
    keys = keys_a_part()
    with part_tables.alone():
        part_tables.detach(part_tables.REST)
        part_tables.rename(part_tables.REST, part_tables.name_from(low))
        part_tables.attach(part_tables.name_from(low), low, high)
        part_tables.forget(part_tables.name_from(low))
        make(high, keys)  # at once: the next row has the first of these keys
        part_tables.attach_rest()
        part_tables.skip_to(high)
    done.taken_in += found


# --- dropping ---------------------------------------------------------------------------------------------------------


def _drop_old(parts: Parts, done: Done) -> None:
    if not settings.WEBHOOKS_KEEP_ATTEMPTS:
        return
    before = timezone.now() - timedelta(days=settings.WEBHOOKS_KEEP_ATTEMPTS)
    below, *others = parts.ranges
    for part in others:
        if not _is_old(part, parts, before):
            return
        stays = _stays(part)
        if len(stays) > STAYS_MAX:
            below = part  # batches see to it; those above it may go
            continue
        _drop(part, below, stays)
        below = Part(part.high, below.low, below.name)
        done.dropped += 1
        done.moved += len(stays)


def _is_old(part: Part, parts: Parts, before: datetime) -> bool:
    """Tell whether none of a part's keys will be given out any more, and all of its rows are old.

    A row gets its key after its request was sent, so no row of a part is younger than the moment at which its last keys
    were given out.
    """
    if part.high > parts.last_key + 1:
        return False
    newest = one(_NEWEST.format(part=name(part.name)))
    return newest is None or newest < before - SETTLED


def _stays(part: Part) -> list[int]:
    """Return the keys of a part's rows that must stay; one more than STAYS_MAX where it has more."""
    with connection.cursor() as cursor:
        cursor.execute(_STAYS.format(unfinished=_SQL["unfinished"], part=name(part.name), limit=STAYS_MAX + 1))
        return [key for (key,) in cursor.fetchall()]


def _drop(part: Part, below: Part, stays: list[int]) -> None:
    """Drop a part. The one below takes what stays, and the keys.

    A delivery that is replayed at this moment loses its old attempts, as it would have a moment earlier.
    """
    part_tables.prove(below.name, below.low, part.high)
    with part_tables.alone():
        part_tables.detach(part.name)
        part_tables.detach(below.name)
        if stays:
            part_tables.move(stays, part.name, below.name)
        part_tables.attach(below.name, below.low, part.high)
        part_tables.forget(below.name)
        part_tables.drop(part.name)


def _analyze(_parts: Parts, _done: Done) -> None:
    """Give the table as a whole its statistics, once a day."""
    if not one(_SQL["is_analyzed"], since=timezone.now() - ANALYZED_EVERY):
        with part_tables.alone():
            part_tables.run(f"ANALYZE {name(attempt_parts.TABLE)}")
