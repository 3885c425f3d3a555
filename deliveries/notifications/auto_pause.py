"""The automatic pause: a webhook that failed many times in a row, and for long, is paused. Nothing is lost by it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from deliveries.models import Notice, Watch, WebhookState
from deliveries.reasons import AUTO_PAUSE
from deliveries.sentences import counted
from subscriptions import services
from subscriptions.conf import settings
from subscriptions.webhook_rules import PULL

if TYPE_CHECKING:
    from deliveries.notifications.watcher import Seen

BY = AUTO_PAUSE + "{failures} in a row since {since:%-d %B, %H:%M} UTC"


def step(state: WebhookState, watch: Watch, seen: Seen) -> None:
    """Pause what fails for long; see when a person resumed what we paused."""
    webhook = state.webhook
    if watch.paused_at is not None and webhook.paused_at != watch.paused_at:
        _resumed(state, watch)
    if _is_lasting(state, watch):
        reason = BY.format(failures=counted(state.failures, "failed attempt"), since=state.failing_since)
        services.pause(webhook=webhook, by=reason)
        watch.paused_at, watch.probe_wait = webhook.paused_at, settings.WEBHOOKS_PROBE_WAIT
        watch.probe_at = timezone.now() + timedelta(seconds=watch.probe_wait)
        failed_since = state.failing_since or timezone.now()
        words = f"It was paused after {counted(state.failures, 'failed attempt')} in a row."
        seen.tell(webhook, Notice.Kind.PAUSED, watch.paused_at or timezone.now(), words, failed_since=failed_since)


def _resumed(state: WebhookState, watch: Watch) -> None:
    """Start counting anew: who resumed it gives it another chance, which the failures before must not take away."""
    watch.paused_at = watch.probe_at = watch.probe_delivery = None
    watch.spared_failures, watch.spared_at = state.failures, timezone.now()


def _is_lasting(state: WebhookState, watch: Watch) -> bool:
    webhook, since = state.webhook, state.failing_since
    if not settings.WEBHOOKS_AUTO_PAUSE_FAILURES or since is None:
        return False
    if webhook.paused_at is not None or not webhook.is_enabled or webhook.kind == PULL:  # no probe would resume a feed
        return False
    failures = state.failures
    if watch.spared_at is not None and since <= watch.spared_at:  # still the run in which somebody resumed it
        failures, since = failures - watch.spared_failures, watch.spared_at
    lasted = timezone.now() - since >= timedelta(seconds=settings.WEBHOOKS_AUTO_PAUSE_AFTER)
    return lasted and failures >= settings.WEBHOOKS_AUTO_PAUSE_FAILURES
