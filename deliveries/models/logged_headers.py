"""How the log keeps headers: JSON pairs, in which numbers stand for what nearly every request and answer repeats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

import orjson

REPEATED: Final[tuple[str | tuple[str, str], ...]] = (
    ("Content-Type", "application/json"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("User-Agent", "Merchant-Webhooks/1.0"),
    ("User-Agent", "Litestore-Webhook/1.0"),
    ("webhook-attempt", "1"),
    "webhook-id",
    "webhook-timestamp",
    "webhook-event",
    "webhook-event-time",
    "webhook-attempt",
    "webhook-signature",
    "Webhook-Signature",
    "X-Alva-HMAC-SHA256",
    "X-Litestore-Signature",
    "X-Shopery-Secret",
    "Date",
    "Server",
    "Content-Length",
    "Content-Type",
    "Connection",
    "Cache-Control",
    "Vary",
    "ETag",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Request-Id",
    "X-Powered-By",
    "Referrer-Policy",
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Connection", "keep-alive"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-cache"),
    ("Content-Length", "0"),
    ("Content-Length", "2"),
)
"""Names, and headers that are the same each time. Rows of the log hold places in it, so it only ever grows."""

_NAMES: Final = {each: place for place, each in enumerate(REPEATED) if isinstance(each, str)}
_HEADERS: Final = {each: place for place, each in enumerate(REPEATED) if isinstance(each, tuple)}


def pack(headers: Iterable[tuple[str, str]]) -> str:
    """Return headers as the log keeps them: `[0, [5, "evt_…"], ["X-Own", "value"]]`.

    A number alone is a whole header of REPEATED, a number in a pair a name of it.
    """
    packed: list[int | tuple[int | str, str]] = []
    for name, value in headers:
        place = _HEADERS.get((name, value))
        packed.append((_NAMES.get(name, name), value) if place is None else place)
    return orjson.dumps(packed).decode()


def unpack(text: str) -> list[tuple[str, str]]:
    """Return the headers that `pack` was given, or that were stored as plain pairs; none where the text is neither."""
    try:
        return [_header(each) for each in json.loads(text)]
    except (ValueError, TypeError, IndexError):
        return []


def _header(kept: int | Sequence[int | str]) -> tuple[str, str]:
    if isinstance(kept, int):
        whole = _repeated(kept)
        if isinstance(whole, str):
            raise ValueError("a name without a value")
        return whole
    name, value = kept
    return str(_repeated(name) if isinstance(name, int) else name), str(value)


def _repeated(place: int) -> str | tuple[str, str]:
    if place < 0:
        raise IndexError(place)
    return REPEATED[place]
