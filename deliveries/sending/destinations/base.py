"""What every kind of destination shares: what it is, how its settings are read, and how it says why it took nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.core.exceptions import ValidationError

from deliveries import dialects
from deliveries.dialects import Encoded, Message
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.webhook_rules import CheckedDestination, KindField

CONNECT_TIMEOUT: Final = 3.0
"""Seconds to connect to a cloud's address."""
ENDPOINT: Final = KindField(
    "endpoint", "Another address", "Of an endpoint in your network, as https://host. Empty: the public one.", False
)
_TOKEN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,79}").fullmatch
_PERMANENT: Final = frozenset(
    (ErrorClass.DESTINATION_MISSING, ErrorClass.ACCESS_DENIED, ErrorClass.TOO_LARGE, ErrorClass.DESTINATION_REFUSED)
)


class TooLarge(ValueError):
    """The message is larger than the destination takes."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A kind of webhook: how an attempt's request is made, and how its outcome is read. Pure: no network, no database.

    Attributes:
        name: What a webhook stores as its `kind`.
        label: What people read in forms.
        settings: What may be shown of a destination of this kind, in the order of its form.
        credentials: What is never shown.
        check: `check(settings, credentials)`; credentials are None where the present ones stay. Returns what is
            stored. Raises ValidationError, as `destination.region`.
        request: `request(message, webhook)`. Raises TooLarge, or ValueError where the settings allow no request.
        outcome: `outcome(outcome, webhook)`: the outcome as this destination means it: an answer 200 may hold a
            failure, and an error is told apart as permanent or passing.
        describe: `describe(settings)`: where it leads, in words.
        size_max: The bytes of the largest message; None where only the platform's own limit holds.
    """

    name: str
    label: str
    settings: Sequence[KindField]
    credentials: Sequence[KindField]
    check: Callable[[Mapping[str, Any], Mapping[str, Any] | None], CheckedDestination]
    request: Callable[[Message, WebhookSettings], Request]
    outcome: Callable[[Outcome, WebhookSettings], Outcome]
    describe: Callable[[Mapping[str, Any]], str]
    size_max: int | None = None


def encoded(message: Message, webhook: WebhookSettings) -> Encoded:
    """Return body and headers of the webhook's dialect, which queues carry as text and attributes."""
    return dialects.get(webhook.dialect).encode(message, webhook.secrets)


def attributes(message: Encoded) -> dict[str, str]:
    """Return our headers of a message, among them its signature; not those that speak of HTTP."""
    return {name: value for name, value in message.headers if name not in {"Content-Type", "User-Agent"}}


def request(webhook: WebhookSettings, headers: Sequence[tuple[str, str]], body: bytes) -> Request:
    """Return a POST to the webhook's address under its deadlines."""
    return Request(
        url=webhook.url,
        headers=headers,
        body=body,
        connect_timeout=min(CONNECT_TIMEOUT, webhook.timeout),
        total_timeout=webhook.timeout,
        connection_owner=webhook.webhook_id,
        lookup_owner=webhook.merchant_id,
    )


def refuse_size(size: int, limit: int, what: str) -> None:
    """Raise TooLarge for a message over the limit (bytes)."""
    if size > limit:
        raise TooLarge(f"The message takes {size} bytes; {what} takes at most {limit}. Send only some of its fields.")


# --- settings -----------------------------------------------------------------------------------------------------


def checked(
    given: Any, fields: Sequence[KindField], place: str, checks: Mapping[str, Callable[[str], str]]
) -> dict[str, str]:
    """Return what was given for these fields, without empty ones.

    Args:
        given: What the caller gave; anything but an object of texts is refused.
        fields: The fields there are.
        place: What errors begin with: `destination` or `credentials`.
        checks: Field → function that returns its stored form or raises ValueError with the fix.

    Raises ValidationError naming every wrong field, as `destination.region`.
    """
    if not isinstance(given, Mapping):
        raise ValidationError({place: [f"This must be an object with {', '.join(field.name for field in fields)}."]})
    known = {field.name: field for field in fields}
    problems = {
        f"{place}.{str(name)[:60]}": [f"There is no such field here. There are: {', '.join(known)}."]
        for name in given
        if name not in known
    }
    found: dict[str, str] = {}
    for name, field in known.items():
        value = given.get(name)
        try:
            text = _text(value, field)
            if text:
                found[name] = checks[name](text) if name in checks else text
        except ValueError as error:
            problems[f"{place}.{name}"] = [str(error)]
    if problems:
        raise ValidationError(problems)
    return found


def _text(value: Any, field: KindField) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError("This must be text.")
    text = (value or "").strip()
    if not text and field.is_required:
        raise ValueError(f"This is needed. {field.help_text}")
    if len(text) > field.length_max:
        raise ValueError(f"This has {len(text)} characters; at most {field.length_max} are allowed.")
    if not field.is_long and not text.isprintable():
        raise ValueError("Use one line of plain text.")
    return text


def matching(pattern: str, fix: str) -> Callable[[str], str]:
    """Return a check that text is as the pattern says; `fix` tells how it should look."""
    matches = re.compile(pattern).fullmatch

    def check(text: str) -> str:
        if not matches(text):
            raise ValueError(fix)
        return text

    return check


def check_endpoint(text: str) -> str:
    """Return scheme, host and port of an address, without a path. Where it leads, the address guard decides."""
    match = re.fullmatch(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", text)
    if match is None:
        raise ValueError("Give scheme and host only, such as https://vpce-1a2b.events.eu-central-1.vpce.amazonaws.com.")
    scheme, host, port = match.groups()
    is_default = port in {None, ":443" if scheme == "https" else ":80"}
    return f"{scheme}://{host.lower()}{'' if is_default else port}"


# --- outcomes -----------------------------------------------------------------------------------------------------


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON object in an answer's body; empty where there is none."""
    try:
        found = json.loads(outcome.body)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        return {}
    return found if isinstance(found, dict) else {}


def code(text: Any) -> str:
    """Return an error's code if it looks like one; what a destination writes is never repeated otherwise."""
    return text if isinstance(text, str) and _TOKEN(text) else ""


def failed(outcome: Outcome, error: ErrorClass, detail: str, error_code: str = "") -> Outcome:
    """Return the outcome as this failure: permanent where trying again can't help."""
    told = f"{detail} ({error_code})." if error_code else f"{detail}."
    return replace(outcome, error=error, detail=told, permanent=error in _PERMANENT)


def not_understood(outcome: Outcome, what: str) -> Outcome:
    """Return an answer 2xx that doesn't say what became of the message: the next attempt may bring it again."""
    detail = f"{outcome.status_code} was answered, but not as {what} does, so nobody knows whether it took the message"
    return failed(outcome, ErrorClass.DESTINATION_FAILED, detail)
