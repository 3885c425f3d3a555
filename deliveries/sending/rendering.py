"""From a delivery to the exact request: chosen fields, transformation, then as its kind wants it.

No network, no database.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from deliveries.dialects import Message
from deliveries.dialects.base import iso
from deliveries.payloads import filters, transformations
from deliveries.queueing.claims import Claimed
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending import destinations
from deliveries.transport import Request


def render(row: Claimed, data: str, sent_at: datetime) -> Request:
    """Return the signed request of this attempt; `data` is canonical text.

    Raises ValueError when the webhook's settings don't allow one.
    """
    message = message_of(
        row.webhook,
        event_id=row.event_id,
        event=row.event_type,
        occurred_at=row.occurred_at,
        data=data,
        attempt=row.attempt,
        sent_at=sent_at,
        resource_id=row.resource_id,
    )
    return request_of(message, row.webhook)


def message_of(
    webhook: WebhookSettings,
    *,
    event_id: str,
    event: str,
    occurred_at: datetime,
    data: str,
    attempt: int,
    sent_at: datetime,
    test: bool = False,
    resource_id: str = "",
) -> Message:
    """Return what a dialect encodes: an event's fields, with what the webhook adds to them.

    Args:
        webhook: The webhook; its domain, API version and body style go into the message.
        event_id: The message id, the same on every attempt.
        event: The event's name.
        occurred_at: When it happened.
        data: Canonical JSON text.
        attempt: The number of this attempt, from 1.
        sent_at: When this attempt is sent.
        test: Mark it as a test send.
        resource_id: What the event is about; may be empty.
    """
    return Message(
        event_id=event_id,
        event=event,
        occurred_at=occurred_at,
        data=data,
        shop=webhook.domain,
        api_version=webhook.api_version,
        attempt=attempt,
        sent_at=sent_at,
        body_style=webhook.body_style,
        test=test,
        resource_id=resource_id,
    )


def request_of(message: Message, webhook: WebhookSettings) -> Request:
    """Return the request of any message to a webhook: deliveries and tests leave the same way.

    Raises ValueError when the webhook's settings don't allow one, TooLarge when its destination takes no such message,
    NotTransformed when its transformation gives none.
    """
    return destinations.get(webhook.kind).request(chosen(message, webhook), webhook)


def runs_expressions(webhook: WebhookSettings) -> bool:
    """Tell whether rendering evaluates what a merchant wrote: chosen fields or a transformation."""
    return bool(webhook.fields or webhook.transform)


def chosen(message: Message, webhook: WebhookSettings) -> Message:
    """Return the message with the webhook's chosen fields only, and with the body that its transformation makes.

    Raises NotTransformed when that gives none.
    """
    if webhook.fields:
        message = replace(message, data=filters.project(message.data, webhook.fields))
    if webhook.transform:
        body = transformations.body_of(
            webhook.transform,
            event_id=message.event_id,
            event=message.event,
            timestamp=iso(message.occurred_at),
            data=message.data,
        )
        message = replace(message, body=body)
    return message
