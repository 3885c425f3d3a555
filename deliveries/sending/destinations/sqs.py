"""Amazon SQS: an event is a message, its body the dialect's and its attributes our headers; FIFO queues keep order.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from deliveries.dialects import Message
from deliveries.queueing import ordering
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import aws, base
from deliveries.sending.destinations.base import Destination
from deliveries.transport import Outcome, Request
from subscriptions.webhook_rules import CheckedDestination, KindField

SIZE_MAX: Final = 1024 * 1024
"""Bytes of a message with its attributes; a queue may be set to take less."""
FIFO: Final = ".fifo"
_FIELDS: Final = (
    KindField("queue_url", "Queue URL", "Such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders."),
    KindField("region", "Region", "Empty: the one in the queue's URL.", False, length_max=32),
    base.ENDPOINT,
)
_CHECKS: Final = {
    "queue_url": base.matching(
        r"https?://[A-Za-z0-9.:\[\]_-]+/([A-Za-z0-9/_-]+/)?[A-Za-z0-9_-]{1,80}(\.fifo)?",
        "Give the queue's URL as AWS shows it, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders.",
    ),
    "region": aws.REGION,
    "endpoint": base.check_endpoint,
}
_REGION_IN_HOST: Final = re.compile(
    r"sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?|([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?"
).fullmatch
_GROUP: Final = re.compile(r"[!-~]{1,128}").fullmatch


def check(settings: Mapping[str, Any], credentials: Mapping[str, Any] | None) -> CheckedDestination:
    """Return what is stored; see `Destination.check`."""
    found = base.checked(settings, _FIELDS, "destination", _CHECKS)
    parts = urlsplit(found["queue_url"])
    in_host = _REGION_IN_HOST(parts.netloc.lower())
    if in_host:
        found.setdefault("region", in_host[1] or in_host[2])
    if "region" not in found:
        raise ValidationError({"destination.region": ["The queue's URL doesn't name its region. Give it here."]})
    try:
        host = found.get("endpoint") or base.check_endpoint(f"{parts.scheme}://{parts.netloc}")
    except ValueError as error:
        raise ValidationError({"destination.queue_url": [str(error)]}) from None
    keys = None if credentials is None else aws.check_credentials(credentials)
    return CheckedDestination(f"{host}/", found, keys)


def request(message: Message, webhook: WebhookSettings) -> Request:
    """Return `SendMessage`. Raises TooLarge."""
    message = replace(message, data=_taken(message.data), body=_taken(message.body))
    encoded = base.encoded(message, webhook)
    attributes = base.attributes(encoded)
    size = len(encoded.body) + sum(len(name) + len("String") + len(value) for name, value in attributes.items())
    base.refuse_size(size, SIZE_MAX, "SQS")
    call: dict[str, Any] = {
        "QueueUrl": webhook.destination["queue_url"],
        "MessageBody": encoded.body.decode(),
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
    if webhook.destination["queue_url"].endswith(FIFO):
        call |= {"MessageGroupId": _group_of(message, webhook), "MessageDeduplicationId": message.event_id}
    body = json.dumps(call, separators=(",", ":")).encode()
    return aws.request(webhook, body, message.sent_at, service="sqs", version="1.0", action="AmazonSQS.SendMessage")


def _taken(text: str) -> str:
    """Return JSON with escapes for the two characters of JSON that SQS refuses; they stand in its texts only."""
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _group_of(message: Message, webhook: WebhookSettings) -> str:
    """Return the FIFO group: the ordering group; an event that stands in none keeps no other back."""
    group = ordering.key_of(webhook.ordering, message.resource_id)
    if group is None:
        return message.event_id
    if not group:
        return webhook.webhook
    return group if _GROUP(group) else hashlib.sha256(group.encode()).hexdigest()


def outcome(outcome: Outcome, webhook: WebhookSettings) -> Outcome:
    """Return what became of the message."""
    if outcome.status_code is None:
        return outcome
    if outcome.delivered:
        taken = isinstance(base.document(outcome).get("MessageId"), str)
        return outcome if taken else base.not_understood(outcome, "SQS")
    error_code, text = aws.error_of(outcome)
    missing = f"There is no {describe(webhook.destination).partition(' (')[0]}"
    return aws.failed(outcome, error_code, text, missing=missing, what="SQS")


def describe(settings: Mapping[str, Any]) -> str:
    """Return the queue and its region."""
    name = str(settings.get("queue_url", "")).rpartition("/")[2]
    through = f" (through {settings['endpoint']})" if settings.get("endpoint") else ""
    return f"SQS queue {name} in {settings.get('region')}{through}"


DESTINATION = Destination(
    name="sqs",
    label="Amazon SQS",
    settings=_FIELDS,
    credentials=aws.CREDENTIALS,
    check=check,
    request=request,
    outcome=outcome,
    describe=describe,
    size_max=SIZE_MAX,
)
