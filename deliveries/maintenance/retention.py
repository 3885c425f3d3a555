"""Retention: what is old enough goes, in small batches by key; what is open or in review stays, and its event with it.

Every batch is a transaction of its own that locks only closed rows and skips those that somebody else has locked, so
claims and replays are never held up. Batches walk the primary key: no index is kept for this.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from deliveries.maintenance.expunging import BLANK
from deliveries.maintenance.turns import turn
from deliveries.models import Attempt, Counter, Delivery, Event, HourCounter, Job, MaintenanceTask, Notice
from deliveries.models.debounce import LastSent
from deliveries.models.events import EXPUNGED
from deliveries.models.maintenance import ExpungedPayload
from subscriptions.models import IdempotencyKey

BATCH = 1000
"""Rows looked at in one transaction."""
BATCHES_AGAIN = 20
"""Batches a run of rows that were passed before."""

_UNFINISHED = Q(due_at__isnull=False) | Q(status=Delivery.Status.DEAD)
_CLOSED = Q(due_at=None) & ~Q(status=Delivery.Status.DEAD)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of row that grows old.

    `purge` gets the keys of a batch's rows that are old and the moment before which they are, and returns how many
    rows it removed or emptied. `remembers`: passed rows stay, so the next run goes on where this one came to.
    `again`: the kind whose remembered rows are walked once more, a few batches a run and round and round: some of them
    were open when they were passed, and are closed now.
    `renewed`: rows get younger while they are used, so key order isn't age order and every row is looked at.
    """

    name: str
    setting: str
    rows: QuerySet[Any]
    age: str
    purge: Callable[[list[int], datetime], int]
    remembers: bool = False
    renewed: bool = False
    again: str = ""

    @property
    def days(self) -> int:
        """How long they are kept; 0 means for ever."""
        return getattr(settings, self.setting)

    def before(self) -> datetime:
        """Return the moment before which rows are old."""
        return timezone.now() - timedelta(days=self.days)

    def old(self) -> QuerySet[Any]:
        """Return the rows that are old by their age alone, for a count."""
        return self.rows.filter(**{f"{self.age}__lt": self.before()})


@dataclass(slots=True)
class Step:
    """What one batch came to."""

    looked_at: int
    purged: int


def kinds() -> list[Kind]:
    """Return what is purged, in order: what hangs on others goes first."""
    return [
        Kind("bodies", "WEBHOOKS_KEEP_BODIES", Attempt.objects.all(), "started_at", _empty_attempts, remembers=True),
        Kind("payloads", "WEBHOOKS_KEEP_PAYLOADS", Event.objects.all(), "created_at", _empty_events, remembers=True),
        Kind("attempts", "WEBHOOKS_KEEP_ATTEMPTS", Attempt.objects.all(), "started_at", _delete_attempts),
        Kind("deliveries", "WEBHOOKS_KEEP_DELIVERIES", Delivery.objects.all(), "created_at", _delete_deliveries),
        Kind("events", "WEBHOOKS_KEEP_EVENTS", Event.objects.all(), "created_at", _delete_events),
        Kind("counters", "WEBHOOKS_KEEP_COUNTERS", HourCounter.objects.all(), "bucket", _deleting(HourCounter)),
        Kind("fine counters", "WEBHOOKS_KEEP_FINE_COUNTERS", Counter.objects.all(), "bucket", _deleting(Counter)),
        Kind(
            "notices",
            "WEBHOOKS_KEEP_NOTICES",
            Notice.objects.all(),
            "first_at",
            _deleting(Notice, Q(sent_at__isnull=False)),
        ),
        Kind(
            "jobs", "WEBHOOKS_KEEP_JOBS", Job.objects.all(), "created_at", _deleting(Job, Q(finished_at__isnull=False))
        ),
        Kind(
            "idempotency keys",
            "WEBHOOKS_KEEP_IDEMPOTENCY_KEYS",
            IdempotencyKey.objects.all(),
            "created_at",
            _delete_idempotency_keys,
            renewed=True,
        ),
        Kind(
            "debounce", "WEBHOOKS_KEEP_DEBOUNCE", LastSent.objects.all(), "updated_at", _delete_last_sent, renewed=True
        ),
        Kind(
            "expunctions",
            "WEBHOOKS_KEEP_EXPUNCTIONS",
            ExpungedPayload.objects.all(),
            "created_at",
            _deleting(ExpungedPayload),
        ),
        Kind(
            "bodies closed late",
            "WEBHOOKS_KEEP_BODIES",
            Attempt.objects.all(),
            "started_at",
            _empty_attempts,
            remembers=True,
            again="bodies",
        ),
        Kind(
            "payloads closed late",
            "WEBHOOKS_KEEP_PAYLOADS",
            Event.objects.all(),
            "created_at",
            _empty_events,
            remembers=True,
            again="payloads",
        ),
        Kind("admin log", "WEBHOOKS_KEEP_ADMIN_LOG", LogEntry.objects.all(), "action_time", _deleting(LogEntry)),
    ]


def purge(kind: Kind, *, batch: int = BATCH) -> Iterator[Step]:
    """Purge one kind, a batch at a time, until its rows are young; the caller may stop anywhere.

    Two runs at once are harmless: of a batch both look at, one finds the rows locked or gone.
    """
    if not kind.days:
        return
    before = kind.before()
    position = _remembered(kind.name) if kind.remembers else 0
    known = _remembered(kind.again) if kind.again else None
    for _batch in range(BATCHES_AGAIN) if kind.again else itertools.count():
        with transaction.atomic():
            rows = list(
                _next(kind, before, known).filter(pk__gt=position).order_by("pk").values_list("pk", kind.age)[:batch]
            )
            # Keys are given out a moment before commits, so ages follow them closely; what is out of order waits.
            old = [pk for pk, moment in rows if moment < before]
            purged = kind.purge(old, before) if old else 0
            ended = len(rows) < batch or rows[-1][1] >= before
            if kind.remembers and (old or kind.again):
                _remember(kind, 0 if kind.again and ended else old[-1])
        if rows:
            yield Step(len(rows), purged)
        if ended:
            return
        position = rows[-1][0]


def _next(kind: Kind, before: datetime, known: int | None) -> QuerySet[Any]:
    """Return what a batch looks at: all rows in key order, or, where that says nothing of age, the old ones."""
    if known is not None:
        return kind.rows.filter(pk__lte=known)
    return kind.rows.filter(**{f"{kind.age}__lt": before}) if kind.renewed else kind.rows


def _remembered(name: str) -> int:
    return MaintenanceTask.objects.filter(name=name).values_list("position", flat=True).first() or 0


def _remember(kind: Kind, position: int) -> None:
    place = turn(kind.name)
    if place is not None and (place.position < position or kind.again):
        place.position = position
        place.save()


# --- what a batch does ----------------------------------------------------------------------------------------------


def _closed(deliveries: QuerySet[Delivery]) -> list[int]:
    """Lock those of the deliveries that are closed, and return their keys: nobody replays them before the commit."""
    rows = deliveries.filter(_CLOSED).select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _ended(keys: list[int]) -> QuerySet[Attempt]:
    """Return those of the attempts whose delivery is closed, and locked here, or gone.

    No constraint ties an attempt to its delivery: an outcome may be logged while its delivery is purged.
    """
    deliveries = Delivery.objects.filter(pk__in=Attempt.objects.filter(pk__in=keys).values("delivery_id"))
    gone = ~Exists(Delivery.objects.filter(pk=OuterRef("delivery_id")))
    return Attempt.objects.filter(Q(delivery_id__in=_closed(deliveries)) | gone, pk__in=keys)


def _empty_attempts(keys: list[int], _before: datetime) -> int:
    full = ~Q(request_headers="[]") | ~Q(response_headers="[]") | ~Q(response_body=b"")
    return _ended(keys).filter(full).update(**BLANK)


def _delete_attempts(keys: list[int], _before: datetime) -> int:
    return _ended(keys).delete()[0]


def _delete_deliveries(keys: list[int], before: datetime) -> int:
    """Delete old deliveries that were also closed before, with their attempts and their dead letters' record."""
    closed = _closed(Delivery.objects.filter(Q(closed_at=None) | Q(closed_at__lt=before), pk__in=keys))
    return Delivery.objects.filter(pk__in=closed).delete()[1].get("webhooks_deliveries.Delivery", 0)


def _settled(keys: list[int]) -> list[int]:
    """Lock the deliveries of these events, and return those events of which every delivery is closed and locked."""
    deliveries = Delivery.objects.filter(event_id__in=keys)
    held = set(_closed(deliveries))
    left = {event for pk, event in deliveries.values_list("pk", "event_id") if pk not in held}
    return [pk for pk in keys if pk not in left]


def _empty_events(keys: list[int], _before: datetime) -> int:
    return Event.objects.filter(pk__in=_settled(keys)).exclude(data=EXPUNGED).update(data=EXPUNGED)


def _delete_events(keys: list[int], _before: datetime) -> int:
    """Delete old events with whatever is left of their closed deliveries."""
    keys = _settled(keys)
    Delivery.objects.filter(event_id__in=keys).filter(_CLOSED).delete()
    orphans = Event.objects.filter(pk__in=keys).exclude(Exists(Delivery.objects.filter(event_id=OuterRef("pk"))))
    return orphans.delete()[0]


def _deleting(model: Any, finished: Q | None = None) -> Callable[[list[int], datetime], int]:
    def delete(keys: list[int], _before: datetime) -> int:
        return model.objects.filter(finished or Q(), pk__in=keys).delete()[0]

    return delete


def _delete_idempotency_keys(keys: list[int], before: datetime) -> int:
    """Delete by age once more: a key used again after a day is the same row, young again."""
    return IdempotencyKey.objects.filter(pk__in=keys, created_at__lt=before).delete()[0]


def _delete_last_sent(keys: list[int], before: datetime) -> int:
    """Forget what was sent long ago, passing over what a publisher holds; equal to it, an event is sent once more."""
    rows = LastSent.objects.filter(pk__in=keys, updated_at__lt=before).select_for_update(skip_locked=True)
    return LastSent.objects.filter(pk__in=list(rows.order_by("pk").values_list("pk", flat=True))).delete()[0]


# --- what a purge would do --------------------------------------------------------------------------------------------


def estimate(kind: Kind) -> int:
    """Return how many rows a purge of this kind would see to now. Counts, so it reads the old part of the table."""
    if not kind.days:
        return 0
    rows = kind.old().filter(pk__gt=_remembered(kind.name) if kind.remembers else 0)
    if kind.again:
        full = ~Q(response_body=b"") | ~Q(request_headers="[]") if kind.rows.model is Attempt else ~Q(data=EXPUNGED)
        rows = rows.filter(full, pk__lte=_remembered(kind.again))
    if kind.name.removesuffix(" closed late") in {"bodies", "attempts"}:
        return rows.exclude(delivery__in=Delivery.objects.filter(_UNFINISHED)).count()
    if kind.name == "deliveries":
        return rows.filter(_CLOSED).filter(Q(closed_at=None) | Q(closed_at__lt=kind.before())).count()
    if kind.name.removesuffix(" closed late") in {"payloads", "events"}:
        return rows.exclude(Exists(Delivery.objects.filter(_UNFINISHED, event_id=OuterRef("pk")))).count()
    if kind.name == "notices":
        return rows.filter(sent_at__isnull=False).count()
    return rows.filter(finished_at__isnull=False).count() if kind.name == "jobs" else rows.count()
