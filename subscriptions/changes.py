"""Keeps the record of changes: a row for each thing that is told of a webhook, in the transaction of the change."""

from __future__ import annotations

from typing import Any, Final

from django.dispatch import receiver

from subscriptions.acting import actor
from subscriptions.models import Webhook, WebhookChange
from subscriptions.signals import webhook_changed

DETAILS_MAX: Final = 500
"""Characters kept of what a change was."""


@receiver(webhook_changed)
def record(webhook: Webhook, action: str, details: str = "", **_kwargs: Any) -> None:
    """Note who did what to a webhook."""
    WebhookChange.objects.create(webhook=webhook, action=action, details=details[:DETAILS_MAX], by=actor())
