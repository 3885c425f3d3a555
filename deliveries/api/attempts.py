"""Attempts as the API shows them: any bytes that came back survive."""

from __future__ import annotations

import base64
import json
from typing import Any

from deliveries.models import Attempt

_PLAIN = (
    "number",
    "result",
    "started_at",
    "answered_at",
    "status_code",
    "error",
    "detail",
    "decision",
    "next_at",
    "url",
    "request_size",
    "request_digest",
    "response_size",
    "response_truncated",
    "lateness_ms",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "first_byte_ms",
    "total_ms",
    "remote_address",
    "reused_connection",
)


def represent(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt.

    `response_body` is text, with U+FFFD for bytes that aren't UTF-8; `response_body_base64` then holds the bytes
    themselves, and is null otherwise.
    """
    text, encoded = body_of(bytes(attempt.response_body))
    return {
        "id": attempt.public_id,
        **{name: getattr(attempt, name) for name in _PLAIN},
        "detail": attempt.what_happened,
        "request_headers": json.loads(attempt.request_headers),
        "response_headers": json.loads(attempt.response_headers),
        "response_body": text,
        "response_body_base64": encoded,
    }


def body_of(body: bytes) -> tuple[str, str | None]:
    """Return a body as text and, where that loses something, in base64."""
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace"), base64.b64encode(body).decode()
