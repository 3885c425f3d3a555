"""Shopery: X-Shopery-Secret is the secret itself. It says nothing about the body: only https protects that."""

import hmac


def verify(raw_body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Verify a request; `headers` by lower-case name."""
    return hmac.compare_digest(headers.get("x-shopery-secret", "").encode(), secret.encode())
