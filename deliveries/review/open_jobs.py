"""How many bulk jobs a merchant may have open, and that no two of them do the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from deliveries.models import Job
from subscriptions.services.locks import lock_merchant

JOBS_OPEN_MAX: Final = 10
"""Jobs of a merchant that wait for workers or are at work."""


class JobRefused(Exception):
    """A job that isn't begun because of others that are open, with what to do about it, as a sentence.

    Attributes:
        jobs: Those others, the oldest first.
    """

    def __init__(self, told: str, jobs: Sequence[Job]) -> None:
        super().__init__(told)
        self.jobs = list(jobs)


class TooManyJobs(JobRefused):
    """As many jobs are open as a merchant may have."""


class SameJob(JobRefused):
    """An open job does the same with the same selection."""


def add(job: Job) -> None:
    """Store a job that workers are to carry out.

    Raises:
        TooManyJobs: JOBS_OPEN_MAX of its merchant are open.
        SameJob: One of them does the same.
    """
    with transaction.atomic():
        lock_merchant(job.merchant)  # of two requests at once each would find a place left, and neither the other's job
        rows = Job.objects.filter(merchant=job.merchant, status__in=Job.OPEN)
        others = list(rows.select_related("merchant").order_by("pk"))
        same = [
            each for each in others if (each.kind, each.source, each.selection) == (job.kind, job.source, job.selection)
        ]
        if same:
            raise SameJob(_told(f"A job that does the same is open already: {_named(same)}."), same)
        if len(others) >= JOBS_OPEN_MAX:
            raise TooManyJobs(
                _told(f"{JOBS_OPEN_MAX} jobs are open, the most a merchant may have: {_named(others)}."), others
            )
        job.save()


def _named(jobs: Sequence[Job]) -> str:
    return ", ".join(job.public_id for job in jobs)


def _told(why: str) -> str:
    return f"{why} Begin this when one has ended, or stop one first."
