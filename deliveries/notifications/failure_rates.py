"""Failure rates over a window, from the counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.utils import timezone

from deliveries.db.counters import ATTEMPTS, BUCKET
from deliveries.models import Counter, WebhookState
from deliveries.sentences import counted
from subscriptions.conf import settings


@dataclass(frozen=True, slots=True)
class Rate:
    """Attempts of a webhook since a moment, and how many of them failed."""

    attempts: int
    failed: int
    since: datetime

    @property
    def is_high(self) -> bool:
        """Tell whether there are attempts enough to decide by, and too many failed."""
        enough = self.attempts >= settings.WEBHOOKS_FAILURE_RATE_ATTEMPTS
        return enough and self.failed * 100 >= self.attempts * settings.WEBHOOKS_FAILURE_RATE

    def words(self) -> str:
        """Return it as a sentence."""
        share = self.failed * 100 // self.attempts
        return f"{self.failed} of {counted(self.attempts, 'attempt')} since {self.since:%H:%M} UTC failed ({share} %)."


def high(states: Sequence[WebhookState]) -> dict[int, Rate]:
    """Return the rates of those states (by webhook) that are too high. One query, over these webhooks' newest cells."""
    since = timezone.now() - timedelta(seconds=settings.WEBHOOKS_FAILURE_RATE_WINDOW)
    cells = Counter.objects.filter(
        webhook_id__in=[state.webhook_id for state in states], bucket__gt=since - BUCKET, result__in=ATTEMPTS
    )
    counts: dict[int, dict[str, int]] = {}
    for webhook_id, result, count in cells.values_list("webhook_id", "result").annotate(Sum("count")).order_by():
        counts.setdefault(webhook_id, {})[result] = count
    rates = {
        webhook_id: Rate(sum(of.values()), sum(of.values()) - of.get("delivered", 0), since)
        for webhook_id, of in counts.items()
    }
    return {webhook_id: rate for webhook_id, rate in rates.items() if rate.is_high}
