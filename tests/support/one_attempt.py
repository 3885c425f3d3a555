"""One attempt of a webhook, made by the engine's own parts and recorded: what it came to, and what followed."""

from __future__ import annotations

import threading
from typing import Any

from deliveries.models import Attempt, Delivery
from deliveries.publishing import publish
from deliveries.recording import outcomes
from deliveries.sending.sender import Sender, Sent
from subscriptions.models import Webhook
from tests.support.engine import EVENT, claim_one


def attempt(
    webhook: Webhook, data: Any = None, *, name: str = EVENT, resource_id: str = "", **event: Any
) -> tuple[Delivery, Attempt]:
    """Publish an event, send it once, record the outcome; return delivery and attempt as they are stored."""
    published = publish(name, {"n": 1} if data is None else data, merchant=webhook.merchant,
                        resource_id=resource_id, **event)  # fmt: skip
    delivery = Delivery.objects.get(webhook=webhook, event__public_id=published.public_id)
    sent: list[Sent] = []
    over = threading.Event()
    sender = Sender(sent=sent.append, unsent=lambda row: None, finished=over.set)
    sender.submit([claim_one(delivery)])
    assert over.wait(20)
    outcomes.record(sent)
    delivery.refresh_from_db()
    return delivery, Attempt.objects.get(delivery_id=delivery.pk, number=delivery.attempt_count)
