"""Half-open: a webhook that we paused is tried with one of its own deliveries at a time; a success resumes it.

The webhook stays paused meanwhile, so exactly one request goes out. It travels the common way (sender, recorder, log);
a probe that fails costs the delivery none of its policy's attempts. Its claim runs out like any other: if its worker
dies, the log says so and the delivery is tried again at once.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import Now, RowNumber
from django.utils import timezone

from deliveries.db.sessions import clock
from deliveries.maintenance.turns import turn
from deliveries.models import Delivery, Watch, WebhookState
from deliveries.queueing import claims, orphans
from deliveries.queueing.claims import Claimed
from deliveries.reasons import AUTO_PAUSE
from deliveries.worker.engine import engine
from subscriptions import services
from subscriptions.conf import settings
from subscriptions.logs import get_logger
from subscriptions.models import Webhook

log = get_logger(__name__)

BATCH = 50
"""Webhooks tried in one round, in turn by merchant: nobody waits behind all of another's."""
BY = AUTO_PAUSE + "a delivery succeeded"


def send() -> int:
    """Try one delivery of each paused webhook whose time has come; return how many. Outcomes come later: `conclude`."""
    with transaction.atomic():
        if turn("notices") is None:
            return 0
        due = Watch.objects.filter(paused_at__isnull=False, probe_at__lte=timezone.now(), probe_delivery=None)
        due = due.filter(webhook__deleted_at=None)
        in_turn = Window(RowNumber(), partition_by=F("webhook__merchant_id"), order_by=["probe_at", "pk"])
        due = due.annotate(in_turn=in_turn).order_by("in_turn", "probe_at", "pk")
        rows = [_claim(watch) for watch in due.select_related("webhook__merchant")[:BATCH]]
    claimed = [row for row in rows if row is not None]
    engine().sender.submit(claimed)
    return len(claimed)


def conclude() -> int:
    """Resume the webhooks whose probe succeeded, put the others off; return how many were resumed."""
    resumed = 0
    with transaction.atomic():
        if turn("notices") is None:
            return 0
        tried = Watch.objects.filter(paused_at__isnull=False, probe_delivery__isnull=False)
        for watch in tried.select_related("webhook"):
            state = WebhookState.objects.filter(webhook_id=watch.webhook_id).first()
            if state is not None and _succeeded(state, watch):
                resumed += _resume(watch)
            elif not _probed(watch).filter(status=Delivery.Status.SENDING, due_at__gt=Now()).exists():
                _put_off(watch)
    return resumed


def _succeeded(state: WebhookState, watch: Watch) -> bool:
    """Tell whether anything succeeded since the probe; the state may know of an earlier success of the same second."""
    if watch.probed_at is None or state.last_success_at is None:
        return False
    delivered = _probed(watch).filter(status=Delivery.Status.DELIVERED)
    return state.last_success_at >= watch.probed_at or delivered.exists()


def _resume(watch: Watch) -> int:
    ours = Webhook.objects.select_for_update(no_key=True).filter(pk=watch.webhook_id, paused_at=watch.paused_at)
    webhook = ours.filter(deleted_at=None).first()  # not where a person resumed and paused it meanwhile
    watch.paused_at = watch.probe_at = watch.probe_delivery = None
    watch.save()
    if webhook is not None:
        services.resume(webhook=webhook, by=BY)
    return int(webhook is not None)


def _put_off(watch: Watch) -> None:
    """Let the next probe wait longer, or go at once where the endpoint never answered because the worker died."""
    orphans.take_back([watch.webhook_id])  # if its claim has run out: nobody else claims from a paused webhook
    died = _probed(watch).filter(orphaned_attempts__gt=0).exists()
    # The recorder counted the try; the delivery gets it back.
    _probed(watch).filter(status=Delivery.Status.RETRYING).update(tries=watch.probe_tries)
    if not died:
        watch.probe_wait = min(watch.probe_wait * 2, settings.WEBHOOKS_PROBE_WAIT_MAX)
    _wait(watch, 0 if died else watch.probe_wait)


def _wait(watch: Watch, seconds: float) -> None:
    watch.probe_at, watch.probe_delivery = timezone.now() + timedelta(seconds=seconds), None
    watch.save()


def _probed(watch: Watch) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=[watch.probe_delivery])


def _claim(watch: Watch) -> Claimed | None:
    """Claim the oldest delivery that is due; None where there is none or the webhook changed."""
    webhook = watch.webhook
    if webhook.paused_at != watch.paused_at or not webhook.is_enabled:
        _wait(watch, settings.WEBHOOKS_PROBE_WAIT)
        return None
    batch = claims.claim([webhook.pk], limit=1, max_bytes=settings.WEBHOOKS_CLAIM_BYTES, probe=True)
    if not batch.rows:
        # Those with nothing to send would stand before all others; where something was too old, more may be due.
        _wait(watch, 0 if batch.full else settings.WEBHOOKS_PROBE_WAIT)
        return None
    [row] = batch.rows
    watch.probed_at, watch.probe_delivery, watch.probe_tries = clock.at(time.monotonic()), row.delivery_id, row.tries
    watch.save()
    row.tries = 0  # a probe ends no chain of attempts
    return row
