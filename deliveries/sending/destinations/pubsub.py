"""Google Cloud Pub/Sub: an event is a message of `topics.publish`, its data the dialect's body, its attributes ours.

Requests carry a token that the service account's own key signs, as Google's libraries do by default (AIP-4111): no
token server has to be asked, so none can be down. https://cloud.google.com/pubsub/docs/reference/rest
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from deliveries.dialects import Message
from deliveries.dialects.base import USER_AGENT, unix_seconds
from deliveries.queueing import ordering
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import base, private_keys
from deliveries.sending.destinations.base import Destination
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.webhook_rules import CheckedDestination, KindField

SIZE_MAX: Final = 10_000_000
"""Bytes of a request, and so of a message."""
TOKEN_SECONDS: Final = 3600
"""How long Google takes a token at most. One is used for the first half of it."""
PUBLIC: Final = "https://pubsub.googleapis.com"
_FIELDS: Final = (
    KindField("project", "Project", "The id of the Google Cloud project.", length_max=100),
    KindField("topic", "Topic", "Its name, without projects/…/topics/.", length_max=255),
    KindField(
        "endpoint", "Another address", "Such as https://europe-west1-pubsub.googleapis.com. Empty: the global one.",
        False,
    ),
)  # fmt: skip
_CREDENTIALS: Final = (
    KindField("client_email", "Service account", "client_email of the service account's key file."),
    KindField("private_key_id", "Key id", "private_key_id of the key file.", length_max=128),
    KindField("private_key", "Private key", "private_key of the key file.", length_max=16_384, is_long=True),
)
_CHECKS: Final = {
    "project": base.matching("[a-z][a-z0-9.:-]{4,98}[a-z0-9]", "Give the project's id, such as my-shop-123456."),
    "topic": base.matching(
        "(?!goog)[A-Za-z][A-Za-z0-9._~-]{2,254}", "A topic's name has 3 to 255 letters, digits and ._~-."
    ),
    "endpoint": base.check_endpoint,
}
_CLASSES: Final = {
    404: ErrorClass.DESTINATION_MISSING,
    401: ErrorClass.ACCESS_DENIED,
    403: ErrorClass.ACCESS_DENIED,
    413: ErrorClass.TOO_LARGE,
    429: ErrorClass.THROTTLED,
    400: ErrorClass.DESTINATION_REFUSED,
}
_WORDS: Final = {
    ErrorClass.ACCESS_DENIED: "Pub/Sub denied access: the service account's key was revoked, or may not publish here",
    ErrorClass.TOO_LARGE: "The message is larger than Pub/Sub takes",
    ErrorClass.THROTTLED: "Pub/Sub takes no more messages at the moment",
    ErrorClass.DESTINATION_REFUSED: "Pub/Sub refused the message as it is",
}


# --- settings -----------------------------------------------------------------------------------------------------


def check(settings: Mapping[str, Any], credentials: Mapping[str, Any] | None) -> CheckedDestination:
    """Return what is stored; see `Destination.check`. Credentials may be a whole key file: the rest is left out."""
    found = base.checked(settings, _FIELDS, "destination", _CHECKS)
    keys = None if credentials is None else _check_key(credentials)
    origin = found.get("endpoint") or PUBLIC
    return CheckedDestination(f"{origin}/v1/projects/{found['project']}/topics/{found['topic']}:publish", found, keys)


def _check_key(given: Mapping[str, Any]) -> dict[str, str]:
    names = {field.name for field in _CREDENTIALS}
    parts = {name: value for name, value in given.items() if name in names} if isinstance(given, Mapping) else given
    return base.checked(parts, _CREDENTIALS, "credentials", {"private_key": _check_private_key})


def _check_private_key(text: str) -> str:
    try:
        _private_key(text)
    except private_keys.UnusableKey:
        raise
    except ValueError:
        raise ValueError("This is no RSA key in PEM. Give private_key of the key file as it is there.") from None
    return text


def _private_key(text: str) -> RSAPrivateKey:
    key = private_keys.read(text)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


# --- requests -----------------------------------------------------------------------------------------------------


def request(message: Message, webhook: WebhookSettings) -> Request:
    """Return `topics.publish` with one message. Raises TooLarge."""
    encoded = base.encoded(message, webhook)
    published: dict[str, Any] = {
        "data": base64.b64encode(encoded.body).decode(),
        "attributes": base.attributes(encoded),
    }
    group = ordering.key_of(webhook.ordering, message.resource_id)
    if group is not None:
        published["orderingKey"] = group or webhook.webhook
    body = json.dumps({"messages": [published]}, separators=(",", ":")).encode()
    base.refuse_size(len(body), SIZE_MAX, "Pub/Sub")
    keys = webhook.credentials
    halves = unix_seconds(message.sent_at) // (TOKEN_SECONDS // 2)
    token = _token(keys["client_email"], keys["private_key_id"], keys["private_key"], audience(webhook.url), halves)
    headers = [
        ("Content-Type", "application/json"),
        ("Authorization", f"Bearer {token}"),
        ("User-Agent", USER_AGENT),
    ]
    return base.request(webhook, headers, body)


def audience(url: str) -> str:
    """Return whom a token is for: Google, or an address of somebody else, for whom it opens nothing at Google's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{PUBLIC}/" if host.endswith(".googleapis.com") else f"{parts.scheme}://{parts.netloc}/"


@lru_cache(maxsize=4096)
def _token(email: str, key_id: str, private_key: str, for_whom: str, halves: int) -> str:
    """Return a signed token (RFC 7519) that has begun with this half of TOKEN_SECONDS since 1970."""
    begun = halves * (TOKEN_SECONDS // 2)
    head = {"alg": "RS256", "typ": "JWT", "kid": key_id}
    claims = {"iss": email, "sub": email, "aud": for_whom, "iat": begun, "exp": begun + TOKEN_SECONDS}
    signed = ".".join(_url_safe(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    try:
        key = _private_key(private_key)
    except ValueError as error:  # taken before today's bounds
        raise ValueError(f"the service account's key isn't used. {error}") from None
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_url_safe(signature)}"


def _url_safe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


# --- outcomes -----------------------------------------------------------------------------------------------------


def outcome(outcome: Outcome, webhook: WebhookSettings) -> Outcome:
    """Return what became of the message."""
    if outcome.status_code is None:
        return outcome
    found = base.document(outcome)
    if outcome.delivered:
        return outcome if found.get("messageIds") else base.not_understood(outcome, "Pub/Sub")
    match found.get("error"):
        case {"status": status}:
            error_code = base.code(status)
        case _:
            error_code = ""
    error = _CLASSES.get(outcome.status_code)
    if error is None or not error_code:  # no answer of Google's, or one that says no more than its status
        return outcome
    missing = f"There is no {describe(webhook.destination).partition(' (')[0]}"
    return base.failed(outcome, error, _WORDS.get(error, missing), error_code)


def describe(settings: Mapping[str, Any]) -> str:
    """Return the topic and its project."""
    through = f" (through {settings['endpoint']})" if settings.get("endpoint") else ""
    return f"Pub/Sub topic {settings.get('topic')} of project {settings.get('project')}{through}"


DESTINATION = Destination(
    name="pubsub",
    label="Google Cloud Pub/Sub",
    settings=_FIELDS,
    credentials=_CREDENTIALS,
    check=check,
    request=request,
    outcome=outcome,
    describe=describe,
    size_max=SIZE_MAX,
)
