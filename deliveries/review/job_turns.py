"""Whose turn it is: a merchant's bulk jobs share one Celery message, so ten of them hold up another's as one does.

The message begins a turn at the job that it names. When the turn is over the next is called for, at whichever of the
merchant's jobs has been due longest. `Job.turn` names the one message that counts; whatever else comes (a doubled one,
one that was taken for lost) begins nothing. docs/adr/0056 says why.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

from celery import current_app
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from deliveries.models import Job
from deliveries.queueing import broker
from subscriptions.logs import get_logger
from subscriptions.models import Merchant
from subscriptions.services.locks import lock_merchant

log = get_logger(__name__)

PACE: Final = timedelta(seconds=1)
"""Between two steps of a job with a rate."""
STALLED_AFTER: Final = timedelta(seconds=60)
"""When a job without progress is taken up again: its worker died, or its message was lost."""
MERCHANTS_MAX: Final = 500
"""Merchants whose stalled jobs one look takes up."""
TASK: Final = "deliveries.run_job"
"""The Celery task that takes a turn; the id of its message is the turn."""


def call(merchant: Merchant) -> None:
    """Call for a turn of the merchant's, unless one is called for or going on. To be called after a commit."""
    with transaction.atomic():
        lock_merchant(merchant)
        jobs = _open(merchant)
        job = None if any(each.turn for each in jobs) else _give(jobs)
    _call_for(job)


def call_next(over: Job) -> None:
    """Call for the merchant's next turn, the one at `over` having ended."""
    with transaction.atomic():
        lock_merchant(over.merchant)
        Job.objects.filter(pk=over.pk).update(turn="")
        job = _give(_open(over.merchant))
    _call_for(job)


def call_stalled(jobs: QuerySet[Job]) -> int:
    """Call again for turns of the merchants of those jobs that make no progress; returns for how many.

    A merchant's jobs wait for each other: it counts as stalled when none of them makes progress.
    """
    before = timezone.now() - STALLED_AFTER
    at_work = Job.objects.filter(status__in=Job.OPEN, updated_at__gte=before).values("merchant")
    stalled = jobs.filter(status__in=Job.OPEN, updated_at__lt=before).exclude(merchant__in=at_work)
    found = list(stalled.order_by("merchant").values_list("merchant", flat=True).distinct()[:MERCHANTS_MAX])
    for merchant in Merchant.objects.filter(pk__in=found):
        _call_again(merchant)
    return len(found)


def begin(pk: int, turn: str) -> Job | None:
    """Return the job at which a message begins a turn; None where another message counts."""
    return Job.objects.select_related("merchant").filter(pk=pk, turn=turn).first()


def send(pk: int, turn: str, countdown: float) -> None:
    """Send the message of a turn; without a broker the job waits until it counts as stalled.

    Args:
        pk: The job's key.
        turn: The message's id.
        countdown: Seconds until a worker may begin it.
    """
    task = current_app.tasks[TASK]
    if current_app.conf.task_always_eager:
        task.apply_async(args=(pk,), task_id=turn)
        return
    try:
        broker.enqueue(task, [pk], countdown=countdown or None, task_id=turn)
    except broker.BrokerError as error:
        log.warning("job_not_told", job=pk, error=str(error)[:200])


def _call_again(merchant: Merchant) -> None:
    with transaction.atomic():
        lock_merchant(merchant)
        jobs = _open(merchant)
        # Under the same id: the first message may only be late, and must still count when it comes.
        job = next((each for each in jobs if each.turn), None) or _give(jobs)
    _call_for(job)


def _open(merchant: Merchant) -> list[Job]:
    return list(Job.objects.filter(merchant=merchant, status__in=Job.OPEN).order_by("pk"))


def _give(jobs: list[Job]) -> Job | None:
    """Give the next turn to one of a merchant's open jobs."""
    before = timezone.now() - STALLED_AFTER
    waiting = [each for each in jobs if each.status == Job.Status.QUEUED or each.updated_at < before]
    if not waiting:
        return None
    job = min(waiting, key=_due)
    job.turn = str(uuid.uuid4())
    Job.objects.filter(pk__in=[each.pk for each in jobs]).exclude(turn="").update(turn="")
    Job.objects.filter(pk=job.pk).update(turn=job.turn)
    return job


def _due(job: Job) -> datetime:
    return job.updated_at + (PACE if job.rate and job.position else timedelta(0))


def _call_for(job: Job | None) -> None:
    if job is not None:
        send(job.pk, job.turn, max((_due(job) - timezone.now()).total_seconds(), 0))
