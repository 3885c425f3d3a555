"""From a delivery to the exact request: fields, dialect, custom headers. No network, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.conf import settings

from deliveries import dialects
from deliveries.dialects import Message, merge_headers
from deliveries.payloads import filters
from deliveries.queueing.claims import Claimed
from deliveries.queueing.webhook_settings import WebhookSettings
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
    )


def request_of(message: Message, webhook: WebhookSettings) -> Request:
    """Return the signed request of any message to a webhook: deliveries and tests leave the same way."""
    if webhook.fields:
        message = replace(message, data=filters.project(message.data, webhook.fields))
    dialect = dialects.get(webhook.dialect)
    encoded = dialect.encode(message, webhook.secrets)
    if len(encoded.body) > settings.WEBHOOKS_BODY_MAX:  # escapes of the python style, or a resolver's data
        raise ValueError(f"the body has {len(encoded.body)} bytes; at most {settings.WEBHOOKS_BODY_MAX} are sent.")
    headers = merge_headers(encoded, webhook.headers)
    return Request(
        url=webhook.url,
        headers=headers,
        body=encoded.body,
        connect_timeout=min(dialect.connect_timeout, webhook.timeout),
        total_timeout=webhook.timeout,
        connection_owner=webhook.webhook_id,
    )
