"""An endpoint of the merchant's, called over HTTPS in the webhook's dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from deliveries import dialects
from deliveries.dialects import Message, merge_headers
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import sign_in
from deliveries.sending.destinations.base import Destination
from deliveries.transport import Outcome, Request
from subscriptions.conf import settings as project
from subscriptions.webhook_rules import HTTPS, CheckedDestination


def check(settings: Mapping[str, Any], credentials: Mapping[str, Any] | None) -> CheckedDestination:
    """Refuse settings: an endpoint has a URL, and no others. Its credentials are those of its sign-in."""
    if settings != {}:
        raise ValidationError({"destination": ["A webhook of the kind https has none. Leave it out."]})
    if credentials != {}:
        raise ValidationError({"credentials": ["This webhook signs in nowhere. Give sign_in along with them."]})
    return CheckedDestination("", {}, {})


def request(message: Message, webhook: WebhookSettings) -> Request:
    """Return the dialect's signed request with the webhook's custom headers, and what signs in."""
    dialect = dialects.get(webhook.dialect)
    encoded = dialect.encode(message, webhook.secrets)
    if len(encoded.body) > project.WEBHOOKS_BODY_MAX:  # escapes of the python style, or a resolver's data
        raise ValueError(f"the body has {len(encoded.body)} bytes; at most {project.WEBHOOKS_BODY_MAX} are sent.")
    headers: Sequence[tuple[str, str]] = merge_headers(encoded, webhook.headers)
    certificate = None
    if webhook.sign_in:
        headers, certificate = sign_in.headers(headers, webhook), sign_in.client_certificate(webhook)
    return Request(
        url=webhook.url,
        headers=headers,
        body=encoded.body,
        connect_timeout=min(dialect.connect_timeout, webhook.timeout),
        total_timeout=webhook.timeout,
        connection_owner=webhook.webhook_id,
        lookup_owner=webhook.merchant_id,
        client_certificate=certificate,
    )


def outcome(outcome: Outcome, webhook: WebhookSettings) -> Outcome:
    """Return the outcome: a status says all, but for a client certificate that wasn't taken."""
    return sign_in.outcome(outcome, webhook) if webhook.sign_in else outcome


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
