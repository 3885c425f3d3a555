"""Paused or not, enabled or not: asked for twice, each is harmless and told once."""

from __future__ import annotations

import logging
from typing import Final

from django.db import transaction
from django.utils import timezone

from subscriptions import signals
from subscriptions.models import Webhook
from subscriptions.services.locks import lock_webhook
from subscriptions.validators import sentence

REASON_MAX: Final = 200
ACTOR_MAX: Final = 150
"""Characters kept of a reason, and of who did it; the rest is cut off."""

logger = logging.getLogger(__name__)


@transaction.atomic
def pause(*, webhook: Webhook, by: str) -> Webhook:
    """Hold the webhook's deliveries until it is resumed; `by` names the user or key.

    Raises ValidationError for a deleted webhook.
    """
    lock_webhook(webhook)
    if webhook.paused_at is None:
        webhook.paused_at, webhook.paused_by = timezone.now(), sentence(by, ACTOR_MAX)
        logger.info("webhook %s paused by %s", webhook.public_id, webhook.paused_by)
        _save(webhook, signals.PAUSED, "paused_at", "paused_by")
    return webhook


@transaction.atomic
def resume(*, webhook: Webhook, by: str) -> Webhook:
    """Let the held deliveries go; `by` names the user or key, for the log of the process.

    Raises ValidationError for a deleted webhook.
    """
    lock_webhook(webhook)
    if webhook.paused_at is not None:
        webhook.paused_at, webhook.paused_by = None, ""
        logger.info("webhook %s resumed by %s", webhook.public_id, sentence(by, ACTOR_MAX))
        _save(webhook, signals.RESUMED, "paused_at", "paused_by")
    return webhook


@transaction.atomic
def enable(*, webhook: Webhook) -> Webhook:
    """Let the webhook receive events again, from the next one on. Raises ValidationError for a deleted webhook."""
    lock_webhook(webhook)
    switch(webhook, on=True)
    return webhook


@transaction.atomic
def disable(*, webhook: Webhook, reason: str = "") -> Webhook:
    """Skip events from the next one on. The first `reason` stays: it says why, wherever a delivery was skipped.

    Raises ValidationError for a deleted webhook.
    """
    lock_webhook(webhook)
    switch(webhook, on=False, reason=reason)
    return webhook


def switch(webhook: Webhook, *, on: bool, reason: str = "") -> None:
    """Enable or disable a locked webhook, unless it is so already."""
    if webhook.is_enabled == on:
        return
    webhook.is_enabled = on
    webhook.disabled_at = None if on else timezone.now()
    webhook.disabled_reason = "" if on else sentence(reason, REASON_MAX)
    columns = ("is_enabled", "disabled_at", "disabled_reason")
    _save(webhook, signals.ENABLED if on else signals.DISABLED, *columns, details=webhook.disabled_reason)


def _save(webhook: Webhook, action: str, *columns: str, details: str = "") -> None:
    webhook.save(update_fields=[*columns, "updated_at"])
    signals.webhook_changed.send(sender=Webhook, webhook=webhook, action=action, details=details)
