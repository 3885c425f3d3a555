"""What people do with a job while it runs: stop it, change its rate; and what came of the deliveries it replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Count
from django.utils import timezone

from deliveries.models import DeadLetter, Delivery, Job

RESULTS_MAX: Final = 20_000
"""Deliveries of a job whose outcomes are counted."""
RATE_MAX: Final = 10_000
"""The highest rate that can be given to a job, rows a second."""


@dataclass(frozen=True, slots=True)
class Results:
    """What became of the deliveries that a job replayed from the review queue.

    `waiting` are open; `failed` are in review again or were given up since; `others` were skipped or cancelled.
    """

    arrived: int = 0
    failed: int = 0
    waiting: int = 0
    others: int = 0

    @property
    def counted(self) -> int:
        """Return how many were looked at: RESULTS_MAX at most."""
        return self.arrived + self.failed + self.waiting + self.others


def stop(job: Job) -> bool:
    """End a job before its next step; what it has changed stays. False when it had ended already."""
    running = Job.objects.filter(pk=job.pk, status__in=Job.OPEN)
    return bool(running.update(status=Job.Status.STOPPED, finished_at=timezone.now()))


def set_rate(job: Job, rate: int) -> bool:
    """Give a running job another rate from its next step on: rows a second, 0 for as fast as it goes.

    False when it has ended. Raises ValueError for a rate below 0 or over RATE_MAX.
    """
    if not 0 <= rate <= RATE_MAX:
        raise ValueError(f"Give a rate from 0 to {RATE_MAX:,} a second.")
    return bool(Job.objects.filter(pk=job.pk, status__in=Job.OPEN).update(rate=rate))


def results(job: Job) -> Results:
    """Return what came of a job's replays, of the first RESULTS_MAX. One query, on an index of their own."""
    replayed = DeadLetter.objects.filter(job_id=job.pk).order_by("pk").values("delivery_id")[:RESULTS_MAX]
    rows = Delivery.objects.filter(pk__in=replayed).order_by().values_list("status").annotate(Count("pk"))
    counts = dict(rows)
    return Results(
        arrived=counts.pop(Delivery.Status.DELIVERED, 0),
        failed=sum(counts.pop(status, 0) for status in (Delivery.Status.DEAD, Delivery.Status.DISCARDED)),
        waiting=sum(counts.pop(status, 0) for status in Delivery.OPEN),
        others=sum(counts.values()),
    )
