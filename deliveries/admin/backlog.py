"""What waits: open deliveries and the oldest that is due, asked webhook by webhook from the index of open rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from deliveries.models import DeadLetter, Delivery
from subscriptions.models import Webhook
from subscriptions.webhook_rules import PULL

COUNTED_MAX = 10_000
"""Counting stops here; with more, the page says "10,000+"."""
WEBHOOKS_MAX = 5000
"""Webhooks asked for their oldest row."""


@dataclass
class Waiting:
    """Counts are text that may end in a plus; `paused` counts webhooks; `oldest_due` is None if nothing is due."""

    open: str
    paused: int
    dead_letters: str
    oldest_due: datetime | None

    @property
    def overdue_seconds(self) -> float:
        """Return how long the oldest has been due."""
        return (timezone.now() - self.oldest_due).total_seconds() if self.oldest_due else 0.0


def waiting(webhooks: QuerySet[Webhook], merchants: list[int] | None) -> Waiting:
    """Return what waits at these webhooks. Four queries."""
    running = webhooks.filter(is_enabled=True, paused_at=None).order_by()
    open_rows = Delivery.objects.filter(due_at__isnull=False)
    dead_letters = DeadLetter.objects.filter(resolved_at=None)
    if merchants is not None:
        open_rows = open_rows.filter(webhook__in=webhooks.order_by().values("pk"))
        dead_letters = dead_letters.filter(merchant_id__in=merchants)
    due = Delivery.objects.filter(webhook=OuterRef("pk"), due_at__isnull=False).order_by("due_at")
    running = running.exclude(kind=PULL)  # whoever fetches takes its time
    oldest = running.annotate(due=Subquery(due.values("due_at")[:1]))[:WEBHOOKS_MAX].values_list("due", flat=True)
    overdue = [moment for moment in oldest if moment is not None and moment <= timezone.now()]
    paused = webhooks.filter(is_enabled=True, paused_at__isnull=False).count()
    return Waiting(_capped(open_rows), paused, _capped(dead_letters), min(overdue, default=None))


def _capped(rows: QuerySet[Delivery] | QuerySet[DeadLetter]) -> str:
    count = rows.order_by()[: COUNTED_MAX + 1].count()
    return f"{COUNTED_MAX:,}+" if count > COUNTED_MAX else f"{count:,}"
