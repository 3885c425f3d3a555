"""Alva's "Python example", as printed, and the raw body as its troubleshooting section advises."""

import hashlib
import hmac
import json
from typing import Any


def verify_webhook(payload: Any, signature: str, secret: str) -> bool:
    computed = hmac.new(
        secret.encode(),
        json.dumps(payload).encode(),
        hashlib.sha256,
    ).hexdigest()

    return hmac.compare_digest(signature, computed)


def verify_raw_body(body: bytes, signature: str, secret: str) -> bool:
    """Take Flask's `request.get_data()` instead of `request.json`."""
    computed = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, computed)
