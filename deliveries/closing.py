"""What happens to open deliveries when their webhook changes: deleted cancels, disabled skips, resumed wakes."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.dispatch import receiver

from deliveries import debounce, lanes
from deliveries.models import Delivery
from subscriptions.models import Webhook
from subscriptions.signals import webhook_changed

DELETED = "The webhook was deleted before this could be delivered."
DISABLED = "The webhook was disabled before this could be delivered."


@receiver(webhook_changed)
def on_webhook_changed(webhook: Webhook, action: str, **_kwargs: Any) -> None:
    """Close or wake a webhook's open deliveries, in the transaction of the change."""
    if action in {"deleted", "disabled"}:
        close_open(webhook.pk)
    elif action in {"resumed", "enabled", "updated"}:
        transaction.on_commit(lambda: lanes.wake([webhook.pk]), robust=True)


def close_open(webhook_id: int) -> int:
    """Close what is open for a webhook that is deleted (cancelled) or disabled (skipped); return how many.

    A row that is being sent keeps its claim: its outcome decides, and the sweep closes what the outcome leaves open.
    """
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None or (webhook.is_enabled and webhook.deleted_at is None):
        return 0
    debounce.forget([webhook_id])
    gone = webhook.deleted_at is not None
    why = f" {webhook.disabled_reason}" if webhook.disabled_reason and not gone else ""
    return (
        Delivery.objects.filter(webhook_id=webhook_id, due_at__isnull=False)
        .filter(~Q(status=Delivery.Status.SENDING) | Q(due_at__lte=Now()))
        .update(
            status=Delivery.Status.CANCELLED if gone else Delivery.Status.SKIPPED,
            reason=DELETED if gone else DISABLED + why,
            due_at=None,
            claim=None,
            closed_at=Now(),
        )
    )
