"""Carrying jobs out: small ones within their request, the others by a worker, in steps that can be taken up again.

The desk and the API start them alike. In a turn (`job_turns`) a job with a rate makes one step, others work for SLICE.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final

from celery import current_app, shared_task
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from deliveries.models import Job
from deliveries.queueing import broker
from deliveries.review import job_turns, manual_actions, open_jobs, selection
from subscriptions.logs import get_logger
from subscriptions.models import Merchant

log = get_logger(__name__)

AT_ONCE_MAX: Final = 200
"""Rows up to which a job is carried out within its request."""
STEP: Final = 500
"""Rows after which the progress is written."""
SLICE: Final = 1.0
"""Seconds after which a job gives its thread to whatever else waits for one."""
CUT_REST: Final = timedelta(seconds=5)
"""How long a job rests whose connection was cut."""
CUT: Final = (OperationalError, InterfaceError, InternalError)
"""What is no fault of the job's: a lost connection, a deadlock, a fail-over to a standby that only reads."""

_ACTIONS: Final = {Job.Kind.REPLAY: manual_actions.replay_all, Job.Kind.DISCARD: manual_actions.discard_all}


class Overtaken(Exception):
    """Somebody else has taken the job up and is further on."""


def count(rows: QuerySet[Any], kind: str) -> int:
    """Return how many of the rows a job of this kind would change."""
    return _ACTIONS[Job.Kind(kind)](rows, by="", dry_run=True)


def start(
    merchant: Merchant,
    *,
    kind: str,
    source: str,
    chosen: dict[str, Any],
    by: str,
    note: str,
    rate: int = 0,
    until: int | None = None,
) -> Job:
    """Make a job; carry it out now when it is small, else tell a worker on commit.

    Small is what has few rows to walk; of many, it may be that few can be changed, but the walk is as long.

    Args:
        merchant: Whose rows.
        kind: Of Job.Kind.
        source: Of Job.Source: what `chosen` selects from.
        chosen: Filters, see `selection.rows`.
        by: Who asked: a person or a key.
        note: Why; kept with each dead letter.
        rate: Rows a second; 0 is as fast as it goes.
        until: The last row (primary key) there was when the person looked; what came since is left out.

    Raises:
        open_jobs.TooManyJobs: What workers must do, while as many jobs of the merchant are open as may be.
        open_jobs.SameJob: What workers must do, while one that does the same is open.
    """
    memory: dict[str, list[int]] = {}
    rows = selection.rows(merchant, source, chosen, memory=memory)
    rows = rows if until is None else rows.filter(pk__lte=until)
    job = Job(
        merchant=merchant,
        kind=kind,
        source=source,
        selection=chosen,
        by=by[:150],
        note=note,
        rate=rate,
        total=count(rows, kind),
        last=rows.aggregate(last=Max("pk"))["last"] or 0,
        found=memory,
    )
    at_once, is_for_workers = rate or AT_ONCE_MAX, False
    if not job.total:
        job.status, job.finished_at = Job.Status.DONE, timezone.now()
        job.save()
    elif job.total <= at_once and len(rows.order_by("pk").values_list("pk", flat=True)[: at_once + 1]) <= at_once:
        job.save()
        is_for_workers = not run(job.pk)  # its connection was cut
    else:
        open_jobs.add(job)
        is_for_workers = True
    if is_for_workers:
        transaction.on_commit(lambda: job_turns.call(merchant), robust=True)
    job.refresh_from_db()
    return job


def run(pk: int) -> bool:
    """Carry a job on from where it stands, unless somebody else is at it: for a slice, with a rate for one step.

    Returns False where its connection was cut.
    """
    job = _taken(pk)
    if job is None:
        return True
    slice_ends = time.monotonic() + SLICE
    try:
        goes_on = _step(job)
        while goes_on and not _gives_way(job, slice_ends):
            goes_on = _step(job)
    except Overtaken:
        return True
    except CUT as error:
        _leave(pk, error)
        return False
    except Exception:  # whatever else it is comes again: the job says so, and the log of the process tells what it was
        ended = {"status": Job.Status.FAILED, "error": "It broke off; the log of the process says why. Start it anew."}
        _going(pk).update(**ended, finished_at=timezone.now())
        raise
    if goes_on:
        _going(pk).update(status=Job.Status.QUEUED)
    else:
        _going(pk).update(status=Job.Status.DONE, finished_at=timezone.now())
    return True


def _going(pk: int) -> QuerySet[Job]:
    """Return the job unless somebody has stopped it."""
    return Job.objects.filter(pk=pk).exclude(status=Job.Status.STOPPED)


def _leave(pk: int, error: Exception) -> None:
    """Leave a job whose connection was cut to the next who can go on; each step is done or not, and its record with it.

    Where the database is still away the job stays as if its worker had died, and is taken up as such.
    """
    log.warning("job_cut", job=pk, error=str(error)[:200])
    if connection.in_atomic_block:
        raise error
    connection.close()
    try:
        Job.objects.filter(pk=pk, status=Job.Status.RUNNING).update(status=Job.Status.QUEUED)
    except CUT:
        connection.close()


def _taken(pk: int) -> Job | None:
    now = timezone.now()
    stalled = Q(status=Job.Status.RUNNING, updated_at__lt=now - job_turns.STALLED_AFTER)
    free = Q(status=Job.Status.QUEUED) | stalled
    if not Job.objects.filter(free, pk=pk).update(status=Job.Status.RUNNING, updated_at=now):
        return None
    return Job.objects.select_related("merchant").get(pk=pk)


def _gives_way(job: Job, slice_ends: float) -> bool:
    # Without a worker (eager tasks) nobody could go on later.
    return (bool(job.rate) or time.monotonic() > slice_ends) and not current_app.conf.task_always_eager


def _step(job: Job) -> bool:
    """Work the next rows and write how far it is; False when none are left.

    Both in one transaction: a replay that was sent and closed again must not be replayed once more by whoever takes
    the job up. Raises Overtaken when somebody has, or has stopped it.
    """
    with transaction.atomic():
        mine = _going(job.pk).select_for_update(no_key=True).filter(position=job.position).first()
        if mine is None:
            raise Overtaken
        job.rate = mine.rate  # which may have been changed meanwhile
        size = min(job.rate or STEP, STEP)
        # What its search found is not looked for at each step again: that reads thousands of payloads.
        rows = selection.rows(job.merchant, job.source, job.selection, until_row=job.last, memory=job.found)
        rows = rows.order_by("pk")
        keys = list(rows.filter(pk__gt=job.position, pk__lte=job.last).values_list("pk", flat=True)[:size])
        if not keys:
            return False
        changed = _ACTIONS[Job.Kind(job.kind)](rows.filter(pk__in=keys), by=job.by, note=job.note, job=job.pk)
        _note_progress(job, keys[-1], changed)
    job.position = keys[-1]
    return len(keys) == size


def _note_progress(job: Job, position: int, changed: int) -> None:
    Job.objects.filter(pk=job.pk).update(done=F("done") + changed, position=position, updated_at=timezone.now())


@shared_task(name=job_turns.TASK, bind=True, queue=broker.HOUSEKEEPING, ignore_result=True)
def run_job(self: Any, pk: int) -> None:
    """Take the turn that the message stands for, and call for the merchant's next."""
    turn = self.request.id
    job = job_turns.begin(pk, turn)
    if job is None:
        return
    try:
        went = run(pk)
    except CUT:  # and nothing can be asked of the database
        raise
    except Exception:
        job_turns.call_next(job)
        raise
    if went:
        job_turns.call_next(job)
    else:
        job_turns.send(pk, turn, CUT_REST.total_seconds())
