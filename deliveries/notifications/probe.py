"""Half-open: a webhook that we paused is tried with one of its own deliveries at a time; a success resumes it.

The webhook stays paused meanwhile, so exactly one request goes out. It travels the common way (sender, recorder, log);
a probe that fails costs the delivery none of its policy's attempts.
"""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from deliveries import expiry, ordering
from deliveries.claims import Claimed
from deliveries.database import as_datetime, clock
from deliveries.engine import engine
from deliveries.models import Delivery, Lane, Watch
from deliveries.targets import Target, target_of_webhook
from deliveries.upkeep import turn
from subscriptions import selectors, services
from subscriptions.models import Webhook

log = structlog.get_logger(__name__)

BATCH = 50
"""Webhooks tried in one round."""
BY = "auto-pause: a delivery succeeded"

_WAITING = (Delivery.Status.PENDING, Delivery.Status.RETRYING)


def send() -> int:
    """Try one delivery of each paused webhook whose time has come; return how many. Outcomes come later: `judge`."""
    with transaction.atomic():
        if turn("notices") is None:
            return 0
        now = _database_time()
        due = Watch.objects.filter(paused_at__isnull=False, probe_at__lte=timezone.now(), probe_delivery=None)
        rows = [_claim(watch, now) for watch in due.select_related("webhook__merchant").order_by("probe_at")[:BATCH]]
    claimed = [row for row in rows if row is not None]
    engine().sender.submit(claimed)
    return len(claimed)


def judge() -> int:
    """Resume the webhooks whose probe succeeded, put the others off; return how many were resumed."""
    resumed = 0
    with transaction.atomic():
        if turn("notices") is None:
            return 0
        tried = Watch.objects.filter(paused_at__isnull=False, probe_delivery__isnull=False)
        for watch in tried.select_related("webhook"):
            lane = Lane.objects.filter(webhook_id=watch.webhook_id).first()
            if lane is not None and watch.probed_at is not None and _succeeded(lane, watch.probed_at):
                resumed += _resume(watch)
            elif not _probed(watch).filter(status=Delivery.Status.SENDING).exists():
                _put_off(watch)
            elif watch.probed_at is not None and timezone.now() - watch.probed_at > timedelta(minutes=5):
                _put_off(watch)  # its worker died: the claim has run out, and whoever resumes the webhook claims it
    return resumed


def _succeeded(lane: Lane, probed_at: datetime) -> bool:
    return lane.last_success_at is not None and lane.last_success_at >= probed_at


def _resume(watch: Watch) -> int:
    mine = watch.webhook.paused_at == watch.paused_at and watch.webhook.deleted_at is None
    watch.paused_at = watch.probe_at = watch.probe_delivery = None
    watch.save()
    if mine:  # not where a person resumed and paused it meanwhile
        services.resume(webhook=watch.webhook, by=BY)
    return int(mine)


def _put_off(watch: Watch) -> None:
    # The recorder counted the try; the delivery gets it back.
    _probed(watch).filter(status=Delivery.Status.RETRYING).update(tries=watch.probe_tries)
    watch.probe_wait = min(watch.probe_wait * 2, settings.WEBHOOKS_PROBE_WAIT_MAX)
    watch.probe_at, watch.probe_delivery = timezone.now() + timedelta(seconds=watch.probe_wait), None
    watch.save()


def _probed(watch: Watch) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=[watch.probe_delivery])


def _claim(watch: Watch, now: datetime) -> Claimed | None:
    """Claim the oldest delivery that is due, as `claims` would; None where there is none or the webhook changed."""
    webhook = watch.webhook
    if webhook.paused_at != watch.paused_at or not webhook.is_enabled or webhook.deleted_at is not None:
        return None
    target = _target(webhook)
    _expire(target, now)
    waiting = Delivery.objects.filter(webhook=webhook, status__in=_WAITING, due_at__lte=Now()).order_by("due_at", "id")
    delivery = waiting.select_for_update(skip_locked=True, of=("self",)).select_related("event").first()
    if delivery is None:
        return None
    token, lasts = secrets.randbits(62), timedelta(seconds=target.timeout + settings.WEBHOOKS_CLAIM_GRACE)
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.SENDING, claim=token, claimed_at=now, due_at=now + lasts
    )
    watch.probed_at, watch.probe_delivery, watch.probe_tries = now, delivery.pk, delivery.tries
    watch.save()
    return _claimed(delivery, target, token, now + lasts)


def _expire(target: Target, now: datetime) -> None:
    """Close what is too old to be sent, as a claim would: a line whose first delivery is too old must go on."""
    due = Delivery.objects.filter(webhook_id=target.webhook_id, due_at__lte=now).order_by("due_at", "id")
    keys = set(due.values_list("order_key", flat=True)[:BATCH])
    lines = expiry.clear(target, now, keys=[key for key in keys if key is not None])
    transaction.on_commit(lambda: ordering.move_on(lines), robust=True)


def _target(webhook: Webhook) -> Target:
    return target_of_webhook(webhook, selectors.signing_secrets([webhook.pk])[webhook.pk])


def _claimed(delivery: Delivery, target: Target, token: int, expires_at: datetime) -> Claimed:
    event = delivery.event
    return Claimed(
        target=target,
        token=token,
        delivery_id=delivery.pk,
        attempt=delivery.attempt_count + 1,
        tries=0,  # a probe ends no chain of attempts
        interruptions=delivery.interruptions,
        event_id=event.public_id,
        event_type=event.type,
        data=event.data,
        resource_id=event.resource_id,
        occurred_at=event.occurred_at,
        size=event.size,
        due_at=delivery.due_at or expires_at,
        expires_at=expires_at,
    )


def _database_time() -> datetime:
    """Return the database's time, and anchor this process' clock to it: attempts are dated by it."""
    asked_at = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        [now] = cursor.fetchone()
    clock.set(as_datetime(now), asked_at)
    return as_datetime(now)
