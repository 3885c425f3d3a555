"""What tests of strict order need: webhooks that ask for it, events about resources, and answers to what is due."""

from __future__ import annotations

from typing import Any

from deliveries.models import Delivery
from deliveries.models.deliveries import HELD
from deliveries.publishing import publish_many
from deliveries.publishing.service import NewEvent
from deliveries.recording import outcomes
from subscriptions.models import Webhook
from tests.support.engine import EVENT, answered, claim, widen
from tests.support.factories import make_webhook


def ordered(setting: str = "resource", **settings: Any) -> Webhook:
    webhook = make_webhook(ordering=setting, **{"retry_policy": {"delays": [0]}, **settings})
    widen(webhook)
    return webhook


def told(webhook: Webhook, *resources: str) -> list[Delivery]:
    """Publish one event for each resource, in one batch; return the webhook's deliveries of them, in order."""
    last = Delivery.objects.order_by("pk").last()
    events = [NewEvent(EVENT, {"n": n}, resource_id=resource) for n, resource in enumerate(resources)]
    publish_many(events, merchant=webhook.merchant)
    return list(Delivery.objects.filter(webhook=webhook, pk__gt=last.pk if last else 0).order_by("pk"))


def due_now(webhook: Webhook) -> list[int]:
    return list(Delivery.objects.filter(webhook=webhook, due_at__lt=HELD).order_by("pk").values_list("pk", flat=True))


def send(webhook: Webhook, status: int = 200) -> list[int]:
    """Claim what is due and record the same answer for all of it; return which deliveries those were."""
    rows = claim(webhook).rows
    if rows:
        outcomes.record([answered(row, status) for row in rows])
    return sorted(row.delivery_id for row in rows)


def killed(webhook: Webhook) -> None:
    """Let what is due end in review."""
    send(webhook, 500)
    send(webhook, 500)


def keys(deliveries: list[Delivery]) -> list[int]:
    return [delivery.pk for delivery in deliveries]
