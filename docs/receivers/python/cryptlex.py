"""Cryptlex: Webhook-Signature holds the base64 HMAC-SHA256 of the raw body."""

import base64
import hashlib
import hmac


def verify_webhook(raw_body: bytes, signature: str, secret: str) -> bool:
    """Compare a signature with ours, over the body's bytes as they came, before any parsing."""
    expected = base64.b64encode(hmac.new(secret.encode(), raw_body, hashlib.sha256).digest())
    # Bytes: compare_digest raises TypeError for text that is not ASCII. Different lengths are just False.
    return hmac.compare_digest(signature.encode(), expected)


def verify(raw_body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Verify a request; `headers` by lower-case name."""
    return verify_webhook(raw_body, headers.get("webhook-signature", ""), secret)
