"""How a receiver verifies what it got, one function a dialect, written from the documents and not from our encoders.

A file without dependencies: receivers may install the package or copy this. Only a public key (`whpk_`) needs a library
that knows Ed25519, which Python doesn't: `pip install cryptography`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

TOLERANCE: Final = 300
"""Seconds that a `webhook-timestamp` may lie from now (Standard Webhooks)."""

PUBLIC_PREFIX: Final = "whpk_"
"""How a public key begins, which verifies `v1a,` signatures."""
_PUBLIC_BYTES: Final = 32
_SHOWN: Final = 12

Pairs = list[tuple[str, str]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class SignatureError(ValueError):
    """The request does not prove that it comes from the holder of the secret: answer 401."""


def verify(
    headers: Headers,
    body: bytes | str,
    secret: str | Iterable[str | None],
    dialect: str = "standard",
    *,
    now: float | None = None,
) -> bool:
    """Verify a request; return True, or raise what is wrong with it.

    It raises rather than returns False, so that a result nobody looks at accepts nothing.

    Args:
        headers: The request's, in any case: a mapping, or pairs of name and value.
        body: The bytes as they came, before any parsing. Text counts as its UTF-8 bytes.
        secret: The webhook's, or its public key (`whpk_`), taken as it is. While it is being rotated, both: one must
            fit; empty ones are left out.
        dialect: The webhook's: `alva`, `litestore`, `cryptlex`, `shopery` or `standard`.
        now: Unix seconds to decide the timestamp of `standard` by; the clock's if None.

    Raises:
        SignatureError: Says what differs. Without both the secrets and what they would sign.
        ValueError: There is no secret, or no such dialect: correct the receiver.
        ImportError: A public key was given, and the library cryptography is not installed.
        TypeError: The body was parsed already.
    """
    if dialect not in VERIFIERS:
        raise ValueError(f"There is no dialect {dialect!r}; there are {', '.join(VERIFIERS)}.")
    if isinstance(body, str):
        body = _bytes(body)
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"The body is {type(body).__name__}; give the raw bytes, as they came and before any parsing.")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    known = [each for each in secrets if each]
    if not known:
        raise ValueError("There is no secret to verify with: anybody could sign with nothing.")
    pairs = list(headers.items()) if hasattr(headers, "items") else list(headers)
    moment = time.time() if now is None else now
    for each in known[:-1]:
        try:
            VERIFIERS[dialect](pairs, bytes(body), each, moment)
        except SignatureError:
            continue
        return True
    VERIFIERS[dialect](pairs, bytes(body), known[-1], moment)
    return True


def verify_alva(headers: Pairs, body: bytes, secret: str, _now: float) -> None:
    """Check the header over the raw body, then the `signature` field over the body without it."""
    _compare_hex("X-Alva-HMAC-SHA256", headers, body, secret)
    match = re.search(rb',\s?"signature":\s?"([0-9a-f]{64})"\}\Z', body)
    if match is None:
        raise SignatureError("the body does not end with a signature field of 64 hex digits")
    rest = body[: match.start()] + b"}"
    _compare("the body's signature field", match[1].decode(), _mac(_bytes(secret), rest).hex())


def verify_litestore(headers: Pairs, body: bytes, secret: str, _now: float) -> None:
    """Check the header over the raw body."""
    _compare_hex("X-Litestore-Signature", headers, body, secret)


def verify_cryptlex(headers: Pairs, body: bytes, secret: str, _now: float) -> None:
    """Check the header over the raw body."""
    expected = base64.b64encode(_mac(_bytes(secret), body)).decode("ascii")
    _compare("Webhook-Signature", _header(headers, "Webhook-Signature"), expected)


def verify_shopery(headers: Pairs, _body: bytes, secret: str, _now: float) -> None:
    """Check that the header is the secret; the body plays no part."""
    if not hmac.compare_digest(_bytes(_header(headers, "X-Shopery-Secret")), _bytes(secret)):
        raise SignatureError("X-Shopery-Secret is not this endpoint's secret")


def verify_standard(headers: Pairs, body: bytes, secret: str, now: float) -> None:
    """Check that one of the header's signatures fits, and that the timestamp is recent."""
    prefix = PUBLIC_PREFIX if secret.startswith(PUBLIC_PREFIX) else "whsec_"
    try:
        key = base64.b64decode(secret.removeprefix(prefix), validate=True)
    except ValueError:
        key = b""
    if not key or (prefix == PUBLIC_PREFIX and len(key) != _PUBLIC_BYTES):
        raise SignatureError("the secret to verify with is not whsec_ and base64, nor a public key, whpk_ and base64")
    message_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        raise SignatureError(f"webhook-timestamp is not unix seconds: {timestamp[:_SHOWN]!r}")
    age = now - int(timestamp)
    if abs(age) > TOLERANCE:
        raise SignatureError(f"webhook-timestamp lies {age:.0f} s from now; at most {TOLERANCE} s are allowed")
    signed = b".".join([_bytes(message_id), timestamp.encode(), body])
    signatures = _header(headers, "webhook-signature").split(" ")
    if prefix == PUBLIC_PREFIX:
        _compare_pair(key, signed, signatures)
        return
    expected = base64.b64encode(_mac(key, signed))
    if not any(hmac.compare_digest(b"v1," + expected, _bytes(value)) for value in signatures):
        raise SignatureError(
            f"webhook-signature: none of {len(signatures)} signatures is the v1 signature of id, timestamp and body "
            "under this secret"
        )


def _compare_pair(public_key: bytes, signed: bytes, signatures: list[str]) -> None:
    """Check that one of the signatures is Ed25519's, of the key's owner."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(public_key)
    for value in signatures:
        if value.startswith("v1a,"):
            with contextlib.suppress(ValueError, InvalidSignature):
                key.verify(base64.b64decode(value.removeprefix("v1a,"), validate=True), signed)
                return
    raise SignatureError(
        f"webhook-signature: none of {len(signatures)} signatures is the v1a signature of id, timestamp and body by "
        "this key's owner"
    )


VERIFIERS: Final[Mapping[str, Callable[[Pairs, bytes, str, float], None]]] = {
    "alva": verify_alva,
    "litestore": verify_litestore,
    "cryptlex": verify_cryptlex,
    "shopery": verify_shopery,
    "standard": verify_standard,
}

DIALECTS: Final = tuple(VERIFIERS)
"""Their names, as webhooks have them."""


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # what a server decoded with surrogates is wrong, and no crash


def _header(headers: Pairs, name: str) -> str:
    values = [value for given, value in headers if given.lower() == name.lower()]
    if len(values) != 1:
        raise SignatureError(f"{name} must be sent once, but came {len(values)} times")
    return values[0]


def _compare_hex(name: str, headers: Pairs, body: bytes, secret: str) -> None:
    given = _header(headers, name)
    if not re.fullmatch("[0-9a-f]{64}", given):  # the documents' timingSafeEqual throws on other lengths
        raise SignatureError(f"{name} is not 64 lowercase hex digits: {given[:_SHOWN]!r}")
    _compare(name, given, _mac(_bytes(secret), body).hex())


def _compare(what: str, given: str, expected: str) -> None:
    if not hmac.compare_digest(_bytes(given), expected.encode()):
        raise SignatureError(
            f"{what} is {given[:_SHOWN]}… but should be {expected[:_SHOWN]}… under this secret. "
            "Compare the secret with the webhook's, and hash the raw body."
        )
