"""Litestore: X-Litestore-Signature holds the hex HMAC-SHA256 of the raw body."""

import hashlib
import hmac


def verify_webhook(raw_body: bytes, signature: str, secret: str) -> bool:
    """Compare a signature with ours, over the body's bytes as they came, before any parsing."""
    expected = hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest().encode()
    # Bytes: compare_digest raises TypeError for text that is not ASCII. Different lengths are just False.
    return hmac.compare_digest(signature.encode(), expected)


def verify(raw_body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Verify a request; `headers` by lower-case name."""
    return verify_webhook(raw_body, headers.get("x-litestore-signature", ""), secret)
