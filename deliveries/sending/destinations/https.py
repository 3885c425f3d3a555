"""An endpoint of the merchant's, called over HTTPS in the webhook's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from deliveries import dialects
from deliveries.dialects import Message, merge_headers
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations.base import Destination
from deliveries.transport import Outcome, Request
from subscriptions.conf import settings as project
from subscriptions.webhook_rules import HTTPS, CheckedDestination


def check(settings: Mapping[str, Any], credentials: Mapping[str, Any] | None) -> CheckedDestination:
    """Refuse settings: an endpoint has a URL, and no others."""
    wrong = [name for name, value in (("destination", settings), ("credentials", credentials)) if value != {}]
    if wrong:
        raise ValidationError({name: ["A webhook of the kind https has none. Leave it out."] for name in wrong})
    return CheckedDestination("", {}, {})


def request(message: Message, webhook: WebhookSettings) -> Request:
    """Return the dialect's signed request with the webhook's custom headers."""
    dialect = dialects.get(webhook.dialect)
    encoded = dialect.encode(message, webhook.secrets)
    if len(encoded.body) > project.WEBHOOKS_BODY_MAX:  # escapes of the python style, or a resolver's data
        raise ValueError(f"the body has {len(encoded.body)} bytes; at most {project.WEBHOOKS_BODY_MAX} are sent.")
    return Request(
        url=webhook.url,
        headers=merge_headers(encoded, webhook.headers),
        body=encoded.body,
        connect_timeout=min(dialect.connect_timeout, webhook.timeout),
        total_timeout=webhook.timeout,
        connection_owner=webhook.webhook_id,
    )


def outcome(outcome: Outcome, webhook: WebhookSettings) -> Outcome:
    """Return the outcome as it is: a status says all."""
    return outcome


def describe(settings: Mapping[str, Any]) -> str:
    """Return nothing: the URL says it."""
    return ""


DESTINATION = Destination(
    name=HTTPS,
    label="HTTPS endpoint",
    settings=(),
    credentials=(),
    check=check,
    request=request,
    outcome=outcome,
    describe=describe,
)
