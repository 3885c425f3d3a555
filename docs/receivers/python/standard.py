"""Standard Webhooks, by hand: webhook-signature holds one or more "v1,<base64>", separated by spaces."""

import base64
import hashlib
import hmac
import re
import time

TOLERANCE = 300
"""Seconds that the attempt's time may lie from now, against replays of captured requests."""


def verify(raw_body: bytes, headers: dict[str, str], secret: str, now: float | None = None) -> bool:
    """Verify a request; `headers` by lower-case name."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not re.fullmatch("[0-9]{1,12}", timestamp):
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))  # the key is what the base64 decodes to
    if not key:
        return False  # anybody could sign with nothing
    signed = f"{message_id}.{timestamp}.".encode() + raw_body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is being rotated there are two: one must fit.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(signature.encode(), expected) for signature in signatures)
