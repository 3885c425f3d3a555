"""Housekeeping's side of the door: what beat calls on the queue `housekeeping`; the logic lies beside it.

The schedule stands in `deliveries.worker.schedule`. Nothing that must be on time hangs on it: late calls tell
late and purge late, doubled ones find the row locked or the work done.
"""

from __future__ import annotations

import time
from collections import Counter

from celery import shared_task
from django.core.management import call_command

from deliveries.db.sessions import borrowed
from deliveries.maintenance import leftovers, parts, retention
from deliveries.models import Job
from deliveries.notifications import mail, watcher
from deliveries.queueing.broker import HOUSEKEEPING
from deliveries.reporting import stuck_rows
from deliveries.review.job_turns import call_stalled
from deliveries.worker import probes
from subscriptions import invitation_mail, password_mail
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

PURGE_SLICE = 60.0
"""Seconds after which a purge leaves the queue to others; the next call goes on."""
LONG = 300.0
"""Seconds a statement may take: some read much."""
REST = 0.02
"""Seconds between batches: recorders waiting for the disk come first."""


@shared_task(name="deliveries.tell", queue=HOUSEKEEPING, ignore_result=True)
def tell() -> None:
    """Look what is new at the webhooks, and mail the notices and links that are due."""
    with borrowed(seconds=LONG):
        sent = password_mail.send_due() + invitation_mail.send_due()  # somebody waits for these
        seen = watcher.look()
        sent += mail.send_due()
    if seen or sent:
        log.info("told", notices=seen, mails=sent)


@shared_task(name="deliveries.probe", queue=HOUSEKEEPING, ignore_result=True)
def probe_paused() -> None:
    """Try webhooks that we paused with one delivery each, where it is time."""
    with borrowed(seconds=LONG):
        resumed = probes.conclude()
        sent = probes.send()
    if resumed or sent:
        log.info("probed", sent=sent, resumed=resumed)


@shared_task(name="deliveries.resume_jobs", queue=HOUSEKEEPING, ignore_result=True)
def resume_jobs() -> None:
    """Take up bulk jobs whose worker died or whose wake-up was lost."""
    with borrowed(seconds=LONG):
        call_stalled(Job.objects.all())


@shared_task(name="deliveries.look_for_stuck_rows", queue=HOUSEKEEPING, ignore_result=True)
def look_for_stuck_rows() -> None:
    """Write rows that nothing moves on any more to the log."""
    with borrowed():
        for kind, keys in stuck_rows.look():
            if keys:
                log.error("stuck_rows", kind=kind, count=len(keys), keys=keys[:20])


@shared_task(name="deliveries.purge", queue=HOUSEKEEPING, ignore_result=True)
def purge() -> None:
    """Purge what is old, for PURGE_SLICE seconds at most."""
    until = time.monotonic() + PURGE_SLICE
    with borrowed(seconds=LONG):
        if closed := leftovers.close_dead_letters():
            log.info("dead_letters_of_deleted_webhooks_closed", rows=closed)
        parts.look_after()
        purged: Counter[str] = Counter()
        for kind, step in retention.purge_oldest_first(retention.kinds()):
            purged[kind.name] += step.purged
            if time.monotonic() > until:
                break
            time.sleep(REST)
        for name, rows in purged.items():
            if rows:
                log.info("purged", kind=name, rows=rows)


@shared_task(name="deliveries.clear_sessions", queue=HOUSEKEEPING, ignore_result=True)
def clear_sessions() -> None:
    """Delete invitations that have expired, and in the service sessions."""
    with borrowed(seconds=LONG):
        if settings.WEBHOOKS_IS_SERVICE:
            call_command("clearsessions")
        invitation_mail.forget_expired()
