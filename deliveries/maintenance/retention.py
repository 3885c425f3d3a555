"""Retention: what is old enough goes, in small batches by key; what is open or in review stays, and its event with it.

Every batch is a transaction of its own that locks only closed rows and skips those that somebody else has locked, so
claims and replays are never held up. Batches walk the primary key: no index is kept for this.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from deliveries.maintenance import parts
from deliveries.maintenance.parts import OldBefore
from deliveries.maintenance.purging import Purge, by_statement, delete_idempotency_keys, delete_last_sent, deleting
from deliveries.maintenance.turns import turn
from deliveries.models import Attempt, Counter, Delivery, Event, HourCounter, Job, MaintenanceTask, Notice
from deliveries.models.debounce import LastSent
from deliveries.models.events import EXPUNGED
from deliveries.models.maintenance import ExpungedPayload
from subscriptions.conf import settings
from subscriptions.models import IdempotencyKey, WebhookChange

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
    `in_parts`: where the table is, its parts go as a whole (`maintenance.parts`), and batches see to what those leave.
    """

    name: str
    setting: str
    rows: QuerySet[Any]
    age: str
    purge: Purge
    remembers: bool = False
    renewed: bool = False
    again: str = ""
    in_parts: bool = False

    @property
    def days(self) -> int:
        """How long they are kept; 0 means for ever."""
        return getattr(settings, self.setting)

    def before(self) -> datetime:
        """Return the moment before which rows are old."""
        return timezone.now() - timedelta(days=self.days)

    def old_before(self) -> OldBefore:
        """Return when its rows are old for batches."""
        return parts.old_before(self.before()) if self.in_parts else OldBefore(self.before())

    def old(self) -> QuerySet[Any]:
        """Return the rows that are old by their age alone, for a count."""
        old = self.old_before()
        rows = self.rows.filter(**{f"{self.age}__lt": old.moment})
        return rows.filter(Q(pk__lt=old.limit) | Q(**{f"{self.age}__lt": old.of(old.limit)})) if old.later else rows


@dataclass(slots=True)
class Step:
    """What one batch came to."""

    looked_at: int
    purged: int
    overdue: timedelta
    """By how much its last row is older than it may be; less than nothing for one that may stay."""


def kinds() -> list[Kind]:
    """Return what is purged, in order: what hangs on others goes first."""
    return [
        Kind(
            "bodies",
            "WEBHOOKS_KEEP_BODIES",
            Attempt.objects.all(),
            "started_at",
            by_statement("empty_attempts"),
            remembers=True,
        ),
        Kind(
            "payloads",
            "WEBHOOKS_KEEP_PAYLOADS",
            Event.objects.all(),
            "created_at",
            by_statement("empty_events"),
            remembers=True,
        ),
        Kind(
            "attempts",
            "WEBHOOKS_KEEP_ATTEMPTS",
            Attempt.objects.all(),
            "started_at",
            by_statement("delete_attempts"),
            in_parts=True,
        ),
        Kind(
            "deliveries",
            "WEBHOOKS_KEEP_DELIVERIES",
            Delivery.objects.all(),
            "created_at",
            by_statement("delete_deliveries"),
        ),
        Kind("events", "WEBHOOKS_KEEP_EVENTS", Event.objects.all(), "created_at", by_statement("delete_events")),
        Kind("counters", "WEBHOOKS_KEEP_COUNTERS", HourCounter.objects.all(), "bucket", deleting(HourCounter)),
        Kind("fine counters", "WEBHOOKS_KEEP_FINE_COUNTERS", Counter.objects.all(), "bucket", deleting(Counter)),
        Kind(
            "notices",
            "WEBHOOKS_KEEP_NOTICES",
            Notice.objects.all(),
            "first_at",
            deleting(Notice, Q(sent_at__isnull=False)),
        ),
        Kind(
            "jobs", "WEBHOOKS_KEEP_JOBS", Job.objects.all(), "created_at", deleting(Job, Q(finished_at__isnull=False))
        ),
        Kind(
            "idempotency keys",
            "WEBHOOKS_KEEP_IDEMPOTENCY_KEYS",
            IdempotencyKey.objects.all(),
            "created_at",
            delete_idempotency_keys,
            renewed=True,
        ),
        Kind(
            "debounce", "WEBHOOKS_KEEP_DEBOUNCE", LastSent.objects.all(), "updated_at", delete_last_sent, renewed=True
        ),
        Kind(
            "expunctions",
            "WEBHOOKS_KEEP_EXPUNCTIONS",
            ExpungedPayload.objects.all(),
            "created_at",
            deleting(ExpungedPayload),
        ),
        Kind(
            "bodies closed late",
            "WEBHOOKS_KEEP_BODIES",
            Attempt.objects.all(),
            "started_at",
            by_statement("empty_attempts"),
            remembers=True,
            again="bodies",
        ),
        Kind(
            "payloads closed late",
            "WEBHOOKS_KEEP_PAYLOADS",
            Event.objects.all(),
            "created_at",
            by_statement("empty_events"),
            remembers=True,
            again="payloads",
        ),
        Kind(
            "webhook changes",
            "WEBHOOKS_KEEP_ADMIN_LOG",
            WebhookChange.objects.all(),
            "created_at",
            deleting(WebhookChange),
        ),
        *_admin_log(),
    ]


def _admin_log() -> list[Kind]:
    """Return the record of changes in the admin; a project that installed the apps keeps its own as it likes."""
    if not settings.WEBHOOKS_IS_SERVICE:
        return []
    entries: Any = apps.get_model("admin", "LogEntry")
    return [Kind("admin log", "WEBHOOKS_KEEP_ADMIN_LOG", entries.objects.all(), "action_time", deleting(entries))]


def purge(kind: Kind, *, batch: int = BATCH) -> Iterator[Step]:
    """Purge one kind, a batch at a time, until its rows are young; the caller may stop anywhere.

    Two runs at once are harmless: of a batch both look at, one finds the rows locked or gone.
    """
    if not kind.days:
        return
    before, old_before = kind.before(), kind.old_before()
    position = _remembered(kind.name) if kind.remembers else 0
    known = _remembered(kind.again) if kind.again else None
    for _batch in range(BATCHES_AGAIN) if kind.again else itertools.count():
        with transaction.atomic():
            rows = list(
                _next(kind, before, known).filter(pk__gt=position).order_by("pk").values_list("pk", kind.age)[:batch]
            )
            # Keys are given out a moment before commits, so ages follow them closely; what is out of order waits.
            old = [pk for pk, moment in rows if moment < old_before.of(pk)]
            purged = kind.purge(old, before) if old else 0
            ended = len(rows) < batch or rows[-1][1] >= old_before.of(rows[-1][0])
            if kind.remembers and (old or kind.again):
                _remember(kind, 0 if kind.again and ended else old[-1])
        if rows:
            yield Step(len(rows), purged, old_before.of(rows[-1][0]) - rows[-1][1])
        if ended:
            return
        position = rows[-1][0]


def purge_oldest_first(chosen: Iterable[Kind], *, batch: int = BATCH) -> Iterator[tuple[Kind, Step]]:
    """Purge several kinds, a batch of each first, then always of the kind that is most overdue.

    So that whoever stops early leaves no kind to grow while another is seen to.
    """
    walks = [(kind, purge(kind, batch=batch)) for kind in chosen]
    waiting = [(timedelta.min, place) for place in range(len(walks))]  # a heap: what is most overdue is least
    while waiting:
        kind, steps = walks[waiting[0][1]]
        step = next(steps, None)
        if step is None:
            heapq.heappop(waiting)
            continue
        heapq.heapreplace(waiting, (-step.overdue, waiting[0][1]))
        yield kind, step


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
