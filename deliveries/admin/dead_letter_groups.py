"""The review queue at a glance: what waits, by webhook and error."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from deliveries.admin import labels
from deliveries.models import DeadLetter
from deliveries.review.selection import NO_ERROR
from subscriptions.models import Webhook

GROUPS_MAX = 20
STAMPED_MAX = 200
"""Waiting dead letters by which an open page sees that the queue changed."""
COUNTED_MAX = 100_000
"""The most waiting dead letters that are counted; with more, the page says so."""

# A slice is counted, so that the cost has a bound; Django would count in another slice's place.
_GROUPS = """
    SELECT webhook_id, error, status_code, count(*), min(created_at) AS oldest FROM ({waiting}) AS waiting
    GROUP BY webhook_id, error, status_code ORDER BY oldest LIMIT {most:d}
"""


@dataclass
class Group:
    """Dead letters of one webhook that died of one thing."""

    webhook: Webhook
    error: str
    status_code: int | None
    count: int
    oldest: datetime
    still_fails: bool
    """The webhook's last attempt failed, too: what is replayed now would come back."""

    @property
    def title(self) -> str:
        """Return what they died of."""
        return f"HTTP {self.status_code}" if self.status_code else labels.error_title(self.error)

    @property
    def advice(self) -> str:
        """Return what the receiver's side can do about it."""
        return labels.advice(self.error, self.status_code)

    @property
    def remedy(self) -> tuple[str, str] | None:
        """Return where one acts on it."""
        return labels.remedy(self.error, self.status_code)

    @property
    def query(self) -> str:
        """Return the filter that leads to this group."""
        status = f"&status_code={self.status_code}" if self.status_code else ""
        return f"webhook={self.webhook.pk}&error={self.error or NO_ERROR}{status}"


def stamp(rows: QuerySet[DeadLetter]) -> str:
    """Return a text that differs when the newest STAMPED_MAX of what waits do. One query, on the queue's own index."""
    keys = list(rows.order_by("-pk").values_list("pk", flat=True)[:STAMPED_MAX])
    return hashlib.sha256(repr(keys).encode()).hexdigest()[:16]


def groups(rows: QuerySet[DeadLetter]) -> list[Group]:
    """Return the groups of waiting letters, the oldest first. Two queries, the first on an index of its own."""
    waiting = rows.order_by().values_list("webhook_id", "error", "status_code", "created_at")[:COUNTED_MAX]
    try:
        sql, parameters = waiting.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:  # a person without a merchant
        return []
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS.format(waiting=sql, most=GROUPS_MAX), parameters)
        found = cursor.fetchall()
    webhooks = Webhook.objects.select_related("state").in_bulk({webhook for webhook, *_ in found})
    failing = {key for key, webhook in webhooks.items() if hasattr(webhook, "state") and webhook.state.failures}
    return [
        Group(webhooks[webhook], error, status_code, count, oldest, still_fails=webhook in failing)
        for webhook, error, status_code, count, oldest in found
        if webhook in webhooks
    ]
