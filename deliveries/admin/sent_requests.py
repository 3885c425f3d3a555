"""What an attempt sent, made again: the log keeps a digest of each body, which proves it equal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deliveries.models import Attempt, Delivery
from deliveries.queueing.webhook_settings import settings_of
from deliveries.sending.rendering import message_of, request_of
from subscriptions.selectors import signing_secrets


@dataclass(frozen=True)
class Body:
    """A request's body. `is_exact`: its digest is the one in the log, so these bytes were sent."""

    text: str
    is_exact: bool


def bodies(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[int, Body]:
    """Return the body of each attempt by its primary key; none where the webhook's present settings allow no request.

    Two queries, however many attempts.
    """
    webhook, event = delivery.webhook, delivery.event
    target = settings_of(webhook, signing_secrets([webhook.pk])[webhook.pk])
    message = message_of(
        target,
        event_id=event.public_id,
        event=event.type,
        occurred_at=event.occurred_at,
        data=event.data,
        attempt=1,
        sent_at=event.occurred_at,
        resource_id=event.resource_id,
    )
    found = {}
    for attempt in attempts:
        try:
            body = request_of(replace(message, attempt=attempt.number, sent_at=attempt.started_at), target).body
        except ValueError:
            continue
        found[attempt.pk] = Body(body.decode(), hashlib.sha256(body).hexdigest() == attempt.digest)
    return found
