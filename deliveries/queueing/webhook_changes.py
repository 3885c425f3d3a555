"""What happens to open deliveries when their webhook changes.

Deleted cancels them and discards what waits for review, disabled skips, resumed wakes.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.dispatch import receiver
from django.utils import timezone

from deliveries import reasons
from deliveries.db import counters
from deliveries.db.counters import Count
from deliveries.models import DeadLetter, Delivery
from deliveries.models.debounce import LastSent
from deliveries.queueing import feed_news, orphans, wakeups
from deliveries.reasons import Reason, ReasonCode
from subscriptions.models import Webhook
from subscriptions.signals import webhook_changed
from subscriptions.webhook_rules import PULL

CHUNK = 2_000
"""Deliveries closed by one statement, which is also what the transaction of the change closes itself."""
DELETION = "deletion of the webhook"
"""Who decided, where a dead letter was closed because its webhook was deleted."""
PATIENCE = 5.0
"""Seconds for which whoever made the change goes on closing after its commit; what is left then is the sweep's."""


@receiver(webhook_changed)
def on_webhook_changed(webhook: Webhook, action: str, **_kwargs: Any) -> None:
    """Close or wake a webhook's open deliveries, in the transaction of the change."""
    if action in {"deleted", "disabled"}:
        if close_open(webhook.pk) + close_dead_letters(webhook.pk) >= CHUNK:
            transaction.on_commit(lambda: _close_the_rest(webhook.pk), robust=True)
    elif action in {"resumed", "enabled", "updated"}:
        if action == "enabled":
            LastSent.objects.forget([webhook.pk])  # whatever close_open had to pass over
        news = feed_news.announce if webhook.kind == PULL else wakeups.wake
        transaction.on_commit(lambda: news([webhook.pk]), robust=True)


def close_open(webhook_id: int) -> int:
    """Close what is open for a webhook that is deleted (cancelled) or disabled (skipped), CHUNK rows at most.

    Returns how many it closed. A row that is being sent keeps its claim: its outcome decides, and the sweep closes what
    the outcome leaves open. One whose claim ran out may have been sent, and the log says so. Rows that somebody has
    locked are passed over, so nobody waits and nobody deadlocks.
    """
    with transaction.atomic():
        webhook = Webhook.objects.filter(pk=webhook_id).first()
        if webhook is None or (webhook.is_enabled and webhook.deleted_at is None):
            return 0
        LastSent.objects.forget([webhook_id], wait=False)  # a recorder may be here, which waits for no publisher
        gone = webhook.deleted_at is not None
        disabled = Reason(ReasonCode.WEBHOOK_DISABLED, {"why": webhook.disabled_reason})
        reason = Reason(ReasonCode.WEBHOOK_DELETED) if gone else disabled
        keys = _next_chunk(webhook_id)
        orphans.log_abandoned(keys, reason)
        if not gone:
            now = timezone.now()
            counters.add_after_commit([Count(webhook.merchant_id, webhook_id, now, counters.SKIPPED)] * len(keys))
        return Delivery.objects.filter(pk__in=keys).update(
            status=Delivery.Status.CANCELLED if gone else Delivery.Status.SKIPPED,
            due_at=None,
            claim_token=None,
            closed_at=Now(),
            **reasons.changes(reason),
        )


def close_dead_letters(webhook_id: int) -> int:
    """Discard what waits for review of a deleted webhook, CHUNK rows at most: nobody could replay it any more.

    Returns how many it closed. What somebody has locked is passed over; `deliveries.maintenance.leftovers` sees to it.
    """
    with transaction.atomic():
        if not Webhook.objects.filter(pk=webhook_id, deleted_at__isnull=False).exists():
            return 0
        waiting = Delivery.objects.filter(
            pk__in=DeadLetter.objects.filter(webhook_id=webhook_id, resolved_at=None).values("delivery_id")[:CHUNK],
            status=Delivery.Status.DEAD,
        )
        rows = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",)).order_by("pk")
        keys = list(rows.values_list("pk", flat=True))
        Delivery.objects.filter(pk__in=keys).update(
            status=Delivery.Status.DISCARDED, closed_at=Now(), **reasons.changes(Reason(ReasonCode.WEBHOOK_DELETED))
        )
        return DeadLetter.objects.filter(delivery_id__in=keys, resolved_at=None).update(
            resolution=DeadLetter.Resolution.DISCARDED, resolved_at=Now(), resolved_by=DELETION
        )


def _next_chunk(webhook_id: int) -> list[int]:
    """Lock and return the next rows to close, the last due first: what is due shows the sweep that some are left."""
    waiting = Delivery.objects.filter(webhook_id=webhook_id, due_at__isnull=False).filter(
        ~Q(status=Delivery.Status.SENDING) | Q(due_at__lte=Now())
    )
    rows = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",)).order_by("-due_at", "-pk")
    return list(rows.values_list("pk", flat=True)[:CHUNK])


def _close_the_rest(webhook_id: int) -> None:
    """Close a long backlog in transactions of their own, so that claims and recorders never wait for one long one."""
    until = time.monotonic() + PATIENCE
    while close_open(webhook_id) + close_dead_letters(webhook_id) >= CHUNK and time.monotonic() < until:
        pass
