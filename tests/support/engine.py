"""What tests of the engine need: due deliveries, claims, outcomes without a network, counted statements."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from deliveries.models import Delivery, WebhookState
from deliveries.publishing import publish, publish_many
from deliveries.queueing import claims
from deliveries.queueing.claims import Batch, Claimed
from deliveries.sending.sender import Sent
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.models import Webhook
from tests.support.factories import make_webhook

EVENT = "order.created"
LONG = 60.0
"""Seconds; more than any claim lasts."""
_CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SET ")


def due(webhook: Webhook, count: int = 1, **data: Any) -> list[Delivery]:
    """Publish `count` events to the webhook's merchant; return the webhook's deliveries of them, in order."""
    before = list(Delivery.objects.filter(webhook=webhook).values_list("pk", flat=True))
    publish_many([{"event": EVENT, "data": {"n": n, **data}} for n in range(count)], merchant=webhook.merchant)
    return list(Delivery.objects.filter(webhook=webhook).exclude(pk__in=before).order_by("pk"))


def due_one(webhook: Webhook | None = None, **settings: Any) -> Delivery:
    """Publish one event to a webhook (a new one of these `settings`) and return its delivery."""
    webhook = webhook or make_webhook(**settings)
    publish(EVENT, {"n": 1}, merchant=webhook.merchant)
    return Delivery.objects.filter(webhook=webhook).latest("pk")


def widen(*webhooks: Webhook, window: int = 100) -> None:
    """Let the webhooks send this many requests at once, as after many answers."""
    for webhook in webhooks:
        WebhookState.objects.update_or_create(webhook=webhook, defaults={"window": window})


def claim(*webhooks: Webhook, limit: int = 1000, max_bytes: int = 4 * 1024**2) -> Batch:
    """Claim what is due in these webhooks."""
    return claims.claim([webhook.pk for webhook in webhooks], limit=limit, max_bytes=max_bytes)


def claim_one(delivery: Delivery) -> Claimed:
    """Claim a delivery that is the only one due in its webhook."""
    [row] = claim(delivery.webhook).rows
    assert row.delivery_id == delivery.pk
    return row


def shift_due(delivery: Delivery, seconds: float) -> None:
    """Move the due time (or the end of the claim) of an open delivery."""
    Delivery.objects.filter(pk=delivery.pk).update(due_at=F("due_at") + timedelta(seconds=seconds))


def expire(*deliveries: Delivery) -> None:
    """Let the claims of these deliveries run out, as when their worker died."""
    for delivery in deliveries:
        shift_due(delivery, -LONG)


def answered(row: Claimed, status: int | None = 200, *, request: Request | None = None, **outcome: Any) -> Sent:
    """Return a claimed delivery as sent, with this answer (None: no answer at all)."""
    error = None if status and 200 <= status < 300 else ErrorClass.HTTP_ERROR if status else ErrorClass.RESPONSE_TIMEOUT
    outcome = {"status_code": status, "error": error, "total_ms": 12.0, "permanent": status == 410, **outcome}
    request = request or Request(row.webhook.url, [("webhook-id", row.event_id)], b"{}", 1.0, 1.0)
    now = time.monotonic()
    return Sent(row, request, Outcome(**outcome), now, now)


def reread(delivery: Delivery) -> Delivery:
    """Return the delivery as it stands in the database."""
    return Delivery.objects.get(pk=delivery.pk)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield a list that holds, after the block, the SQL statements of this thread; transactions' own aside."""
    seen: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield seen
    seen += [query["sql"] for query in captured if not query["sql"].lstrip().upper().startswith(_CONTROL)]
