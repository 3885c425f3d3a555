"""What a change passed over or a late outcome added: dead letters of deleted webhooks, which would stay for ever."""

from __future__ import annotations

from deliveries.models import DeadLetter
from deliveries.queueing import webhook_changes
from subscriptions.models import Webhook

WEBHOOKS_MAX = 100
"""Webhooks seen to in one run; the next one goes on."""


def close_dead_letters() -> int:
    """Discard what waits for review of deleted webhooks; return how many dead letters were closed."""
    gone = Webhook.objects.filter(deleted_at__isnull=False)
    dead_letters = DeadLetter.objects.filter(resolved_at=None, webhook_id__in=gone.values("pk")).order_by()
    webhooks = list(dead_letters.values_list("webhook_id", flat=True).distinct()[:WEBHOOKS_MAX])
    return sum(webhook_changes.close_dead_letters(webhook_id) for webhook_id in webhooks)
