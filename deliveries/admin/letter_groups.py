"""The review queue at a glance: what waits, by webhook and error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, QuerySet

from deliveries.admin import words
from deliveries.models import DeadLetter
from subscriptions.models import Webhook

GROUPS_MAX = 20
COUNTED_MAX = 100_000
"""The most waiting letters that are counted, the oldest; with more, the counts say "at least"."""


@dataclass
class Group:
    """Letters of one webhook that died of one thing."""

    webhook: Webhook
    error: str
    status_code: int | None
    count: int
    oldest: datetime

    @property
    def title(self) -> str:
        """Return what they died of."""
        return f"HTTP {self.status_code}" if self.status_code else words.error_title(self.error)

    @property
    def advice(self) -> str:
        """Return what the receiver's side can do about it."""
        return words.advice(self.error, self.status_code)

    @property
    def query(self) -> str:
        """Return the filter that leads to this group."""
        status = f"&status_code={self.status_code}" if self.status_code else ""
        return f"webhook={self.webhook.pk}&error={self.error}{status}"


def groups(rows: QuerySet[DeadLetter]) -> list[Group]:
    """Return the groups of waiting letters, the oldest first. Two queries."""
    counted = DeadLetter.objects.filter(pk__in=rows.order_by("pk").values("pk")[:COUNTED_MAX])
    found = list(
        counted.order_by()
        .values("webhook_id", "error", "status_code")
        .annotate(count=Count("pk"), oldest=Min("created_at"))
        .order_by("oldest")[:GROUPS_MAX]
    )
    webhooks = Webhook.objects.in_bulk({each["webhook_id"] for each in found})
    return [
        Group(webhooks[each["webhook_id"]], each["error"], each["status_code"], each["count"], each["oldest"])
        for each in found
        if each["webhook_id"] in webhooks
    ]
