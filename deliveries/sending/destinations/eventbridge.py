"""Amazon EventBridge: an event is an entry of `PutEvents`, its detail the dialect's body and the event's id.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from deliveries.dialects import Message
from deliveries.dialects.base import quote, unix_seconds
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import aws, base
from deliveries.sending.destinations.base import Destination
from deliveries.transport import Outcome, Request
from subscriptions.webhook_rules import CheckedDestination, KindField

SIZE_MAX: Final = 256 * 1024
"""Bytes of an entry: source, detail type and detail, and TIME_SIZE for its time."""
TIME_SIZE: Final = 14
DEFAULT_SOURCE: Final = "merchant-webhooks"
_FIELDS: Final = (
    KindField("region", "Region", "Of the event bus, such as eu-central-1.", length_max=32),
    KindField("bus", "Event bus", "Its name or ARN, such as default.", length_max=1600),
    KindField("source", "Source", f"What rules match as “source”. Empty: {DEFAULT_SOURCE}.", False, length_max=256),
    base.ENDPOINT,
)
_CHECKS: Final = {
    "region": aws.REGION,
    "bus": base.matching(
        r"(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}",
        "Give the name of an event bus (letters, digits and ._/-) or its ARN.",
    ),
    "source": base.matching(r"(?!aws\.)[A-Za-z0-9._/-]+", "Use letters, digits and ._/-; “aws.” is Amazon's own."),
    "endpoint": base.check_endpoint,
}


def check(settings: Mapping[str, Any], credentials: Mapping[str, Any] | None) -> CheckedDestination:
    """Return what is stored; see `Destination.check`."""
    found = {"source": DEFAULT_SOURCE} | base.checked(settings, _FIELDS, "destination", _CHECKS)
    keys = None if credentials is None else aws.check_credentials(credentials)
    return CheckedDestination(f"{found.get('endpoint') or aws.origin('events', found['region'])}/", found, keys)


def request(message: Message, webhook: WebhookSettings) -> Request:
    """Return `PutEvents` with one entry. Raises TooLarge."""
    place = webhook.destination
    detail = base.encoded(message, webhook).body.decode()
    if not message.body:  # what a transformation made stays as it is
        test = ',"test":true' if message.test else ""
        detail = f'{{"id":{quote(message.event_id)}{test},{detail[1:]}'  # whoever drops duplicates needs the id
    entry: dict[str, Any] = {
        "EventBusName": place["bus"],
        "Source": place["source"],
        "DetailType": message.event,
        "Time": unix_seconds(message.occurred_at),
        "Detail": detail,
    }
    size = TIME_SIZE + sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
    base.refuse_size(size, SIZE_MAX, "EventBridge")
    call = json.dumps({"Entries": [entry]}, separators=(",", ":")).encode()
    return aws.request(webhook, call, message.sent_at, service="events", version="1.1", action="AWSEvents.PutEvents")


def outcome(outcome: Outcome, webhook: WebhookSettings) -> Outcome:
    """Return what became of the entry, which an answer 200 may have failed."""
    if outcome.status_code is None:
        return outcome
    error_code, text = aws.error_of(outcome)
    if outcome.delivered:
        found = base.document(outcome)
        match found.get("Entries"):
            case [{"EventId": str()}] if not found.get("FailedEntryCount"):
                return outcome
            case [{"ErrorCode": str(error_code), **entry}]:
                error_code, text = base.code(error_code), str(entry.get("ErrorMessage", ""))
            case _:
                return base.not_understood(outcome, "EventBridge")
    missing = f"There is no {describe(webhook.destination).partition(' (')[0]}"
    return aws.failed(outcome, error_code, text, missing=missing, what="EventBridge")


def describe(settings: Mapping[str, Any]) -> str:
    """Return the bus and its region."""
    through = f" (through {settings['endpoint']})" if settings.get("endpoint") else ""
    return f"EventBridge bus {settings.get('bus')} in {settings.get('region')}{through}"


DESTINATION = Destination(
    name="eventbridge",
    label="Amazon EventBridge",
    settings=_FIELDS,
    credentials=aws.CREDENTIALS,
    check=check,
    request=request,
    outcome=outcome,
    describe=describe,
    size_max=SIZE_MAX,
)
