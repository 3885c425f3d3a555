"""How a receiver verifies what it got, one function a dialect, written from the documents and not from our encoders.

Used by `manage.py listen`, the demo and the tests. Each raises `SignatureError` saying what differs.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import Final

TOLERANCE: Final = 300
"""Seconds that a `webhook-timestamp` may lie from now (Standard Webhooks)."""

_SHOWN: Final = 12


class SignatureError(ValueError):
    """The request does not prove that it comes from the holder of the secret."""


def verify(dialect: str, headers: Mapping[str, str], body: bytes, secret: str, *, now: float | None = None) -> None:
    """Verify a request by a dialect's name.

    Args:
        dialect: One of `VERIFIERS`.
        headers: The request's, in any case.
        body: The raw bytes received.
        secret: The webhook's.
        now: Unix seconds to decide the timestamp of `standard` by; the clock's if None.

    Raises:
        SignatureError: Says what differs.
        KeyError: There is no such dialect.
    """
    if dialect == "standard":
        verify_standard(headers, body, secret, now=now)
    else:
        VERIFIERS[dialect](headers, body, secret)


def verify_alva(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Check the header over the raw body, then the `signature` field over the body without it."""
    _compare_hex("X-Alva-HMAC-SHA256", headers, body, secret)
    match = re.search(rb',\s?"signature":\s?"([0-9a-f]{64})"\}\Z', body)
    if match is None:
        raise SignatureError("the body does not end with a signature field of 64 hex digits")
    rest = body[: match.start()] + b"}"
    _compare("the body's signature field", match[1].decode(), _mac(secret.encode(), rest).hex())


def verify_litestore(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Check the header over the raw body."""
    _compare_hex("X-Litestore-Signature", headers, body, secret)


def verify_cryptlex(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Check the header over the raw body."""
    expected = base64.b64encode(_mac(secret.encode(), body)).decode("ascii")
    _compare("Webhook-Signature", _header(headers, "Webhook-Signature"), expected)


def verify_shopery(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Check that the header is the secret; the body plays no part."""
    if not hmac.compare_digest(_header(headers, "X-Shopery-Secret").encode(), secret.encode()):
        raise SignatureError("X-Shopery-Secret is not this endpoint's secret")


def verify_standard(headers: Mapping[str, str], body: bytes, secret: str, *, now: float | None = None) -> None:
    """Check that one of the header's signatures fits, and that the timestamp is recent."""
    message_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        raise SignatureError(f"webhook-timestamp is not unix seconds: {timestamp[:_SHOWN]!r}")
    age = (time.time() if now is None else now) - int(timestamp)
    if abs(age) > TOLERANCE:
        raise SignatureError(f"webhook-timestamp lies {age:.0f} s from now; at most {TOLERANCE} s are allowed")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise SignatureError("the secret to verify with is not whsec_ and base64") from None
    expected = base64.b64encode(_mac(key, b".".join([message_id.encode(), timestamp.encode(), body])))
    signatures = _header(headers, "webhook-signature").split(" ")
    if not any(hmac.compare_digest(f"v1,{expected.decode()}".encode(), value.encode()) for value in signatures):
        raise SignatureError(
            f"webhook-signature: none of {len(signatures)} signatures is the v1 signature of id, timestamp and body "
            "under this secret"
        )


VERIFIERS: Final[Mapping[str, Callable[[Mapping[str, str], bytes, str], None]]] = {
    "alva": verify_alva,
    "litestore": verify_litestore,
    "cryptlex": verify_cryptlex,
    "shopery": verify_shopery,
    "standard": verify_standard,
}


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _header(headers: Mapping[str, str], name: str) -> str:
    values = [value for given, value in headers.items() if given.lower() == name.lower()]
    if len(values) != 1:
        raise SignatureError(f"{name} must be sent once, but came {len(values)} times")
    return values[0]


def _compare_hex(name: str, headers: Mapping[str, str], body: bytes, secret: str) -> None:
    given = _header(headers, name)
    if not re.fullmatch("[0-9a-f]{64}", given):  # the documents' timingSafeEqual throws on other lengths
        raise SignatureError(f"{name} is not 64 lowercase hex digits: {given[:_SHOWN]!r}")
    _compare(name, given, _mac(secret.encode(), body).hex())


def _compare(what: str, given: str, expected: str) -> None:
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise SignatureError(
            f"{what} is {given[:_SHOWN]}… but should be {expected[:_SHOWN]}… under this secret. "
            "Compare the secret with the webhook's, and hash the raw body."
        )
