"""Amazon's JSON protocol: requests signed with Signature Version 4, and what its errors mean.

Signing: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from deliveries.dialects.base import USER_AGENT
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import base
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.webhook_rules import KindField

CREDENTIALS: Final = (
    KindField(
        "access_key_id",
        "Access key id",
        "It begins with AKIA, or with ASIA.",
        length_max=128,
    ),
    KindField("secret_access_key", "Secret access key", "The secret that belongs to the access key.", length_max=128),
    KindField("session_token", "Session token", "Of temporary credentials only.", False, length_max=4096),
)
_PRINTABLE: Final = base.matching("[!-~]+", "Use printable ASCII without spaces.")
_CHECKS: Final = {
    "access_key_id": base.matching("[A-Za-z0-9]{16,128}", "An access key id has 16 to 128 letters and digits."),
    "secret_access_key": _PRINTABLE,
    "session_token": _PRINTABLE,
}
REGION: Final = base.matching("[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}", "Give a region of AWS, such as eu-central-1.")

MISSING: Final = frozenset(("ResourceNotFoundException", "QueueDoesNotExist", "NonExistentQueue"))
DENIED: Final = frozenset(
    (
        "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
        "IncompleteSignature", "IncompleteSignatureException", "InvalidAccessKeyId", "InvalidClientTokenId",
        "InvalidSignatureException", "KmsAccessDenied", "KmsDisabled", "MissingAuthenticationToken",
        "MissingAuthenticationTokenException", "NotAuthorized", "NotAuthorizedForDetailTypeException",
        "NotAuthorizedForSourceException", "OptInRequired", "SignatureDoesNotMatch", "UnrecognizedClientException",
    )
)  # fmt: skip
THROTTLED: Final = frozenset(
    (
        "KmsThrottled", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown",
        "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
    )
)  # fmt: skip
TOO_LARGE: Final = frozenset(("MessageTooLong", "BatchRequestTooLong", "RequestEntityTooLargeException"))
REFUSED: Final = frozenset(
    (
        "InvalidAddress", "InvalidArgument", "InvalidMessageContents", "InvalidParameterValue", "InvalidSecurity",
        "MalformedDetail", "MissingParameter", "SerializationException", "UnsupportedOperation", "ValidationException",
    )
)  # fmt: skip
_XML_CODE: Final = re.compile(rb"<Code>([A-Za-z.]{1,80})</Code>").search
_SAYS_CLOCK: Final = re.compile(r"signature (expired|not yet current)", re.IGNORECASE).search
_SAYS_MISSING: Final = re.compile(r"does not exist|not found", re.IGNORECASE).search
_SAYS_TOO_LARGE: Final = re.compile(r"must be shorter than|size of the entr|too large", re.IGNORECASE).search


def check_credentials(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Return an access key's parts. Raises ValidationError."""
    return base.checked(given or {}, CREDENTIALS, "credentials", _CHECKS)


def origin(service: str, region: str) -> str:
    """Return the public address of a service in a region."""
    return f"https://{service}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


# --- requests -----------------------------------------------------------------------------------------------------


def request(
    webhook: WebhookSettings, body: bytes, sent_at: datetime, *, service: str, version: str, action: str
) -> Request:
    """Return a signed call of an action.

    Args:
        webhook: Its destination names the region, its credentials sign.
        body: The action's parameters as JSON.
        sent_at: When it is sent; AWS takes it for five minutes.
        service: The service as signatures name it.
        version: Of the JSON protocol.
        action: The action, with its prefix.
    """
    headers = {
        "Content-Type": f"application/x-amz-json-{version}",
        "X-Amz-Date": sent_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"),
        "X-Amz-Target": action,
    }
    if token := webhook.credentials.get("session_token"):
        headers["X-Amz-Security-Token"] = token
    signature = sign(
        webhook.url,
        headers,
        body,
        key_id=webhook.credentials["access_key_id"],
        secret=webhook.credentials["secret_access_key"],
        region=webhook.destination["region"],
        service=service,
    )
    sent = [*headers.items(), ("Authorization", signature), ("User-Agent", USER_AGENT)]
    return base.request(webhook, sent, body)


def sign(
    url: str, headers: Mapping[str, str], body: bytes, *, key_id: str, secret: str, region: str, service: str
) -> str:
    """Return the value of `Authorization` for a POST that carries these headers, of which X-Amz-Date is one."""
    parts = urlsplit(url)
    moment = headers["X-Amz-Date"]
    lower = {"host": parts.netloc} | {name.lower(): value for name, value in headers.items()}
    signed = dict(sorted(lower.items()))
    names = ";".join(signed)
    lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in signed.items())
    canonical = f"POST\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(_key(secret, moment[:8], region, service), to_sign.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=1024)  # a key signs a day's requests
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


# --- outcomes -----------------------------------------------------------------------------------------------------


def error_of(outcome: Outcome) -> tuple[str, str]:
    """Return code and text of an error answer; empty where it holds none."""
    if coded := _XML_CODE(outcome.body):  # what stands before the service may answer in its own way
        return base.code(coded[1].decode()), ""
    found = base.document(outcome)
    headers = {name.lower(): value for name, value in outcome.headers}
    named = found.get("__type") or headers.get("x-amzn-errortype") or ""
    text = found.get("message") or found.get("Message") or ""
    last = str(named).rpartition("#")[2].partition(":")[0].rpartition(".")[2]
    return base.code(last), text if isinstance(text, str) else ""


def failed(outcome: Outcome, error_code: str, text: str, *, missing: str, what: str) -> Outcome:
    """Return the outcome as AWS means it; unchanged for an error that says no more than its status.

    Args:
        outcome: An answer that took nothing.
        error_code: AWS' code of the error.
        text: What AWS says of it; read, and never repeated.
        missing: The sentence for a bus or queue that isn't there.
        what: The service's name.
    """
    found = _class_of(outcome, error_code, text)
    if found is None:
        return outcome
    sentence = _WORDS[found](what) if found in _WORDS else missing
    return base.failed(outcome, found, sentence, error_code)


def _class_of(outcome: Outcome, error_code: str, text: str) -> ErrorClass | None:
    if error_code in THROTTLED or outcome.status_code == 429:
        return ErrorClass.THROTTLED
    if error_code in DENIED and _SAYS_CLOCK(text):  # our clock is wrong, not the key
        return None
    if error_code in DENIED:
        return ErrorClass.ACCESS_DENIED
    if error_code in MISSING or (error_code in REFUSED and _SAYS_MISSING(text)):
        return ErrorClass.DESTINATION_MISSING
    if error_code in TOO_LARGE or outcome.status_code == 413 or (error_code in REFUSED and _SAYS_TOO_LARGE(text)):
        return ErrorClass.TOO_LARGE
    if error_code in REFUSED:
        return ErrorClass.DESTINATION_REFUSED
    return ErrorClass.DESTINATION_FAILED if outcome.delivered else None


_WORDS: Final[Mapping[ErrorClass, Callable[[str], str]]] = {
    ErrorClass.THROTTLED: lambda what: f"{what} takes no more messages at the moment",
    ErrorClass.ACCESS_DENIED: lambda what: (
        f"{what} denied access: the access key is unknown, off or expired, or its policy doesn't allow to send here"
    ),
    ErrorClass.TOO_LARGE: lambda what: f"The message is larger than {what} takes",
    ErrorClass.DESTINATION_REFUSED: lambda what: f"{what} refused the message as it is",
    ErrorClass.DESTINATION_FAILED: lambda what: f"{what} failed to take the message",
}
