"""How the log keeps headers: JSON pairs, in which numbers stand for what nearly every request and answer repeats.

Values that the attempt's row or its event has anyway aren't kept a second time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import orjson

from deliveries.dialects.base import iso, unix_seconds

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


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def known(*, event_id: str, event: str, occurred_at: datetime, started_at: datetime) -> dict[str, str]:
    """Return the headers of ours whose values follow from an attempt's event and its time: name → value."""
    return {
        "webhook-id": event_id,
        "webhook-event": event,
        "webhook-event-time": iso(occurred_at),
        "webhook-timestamp": str(unix_seconds(started_at)),
    }


def known_of_answer(answered_at: datetime) -> Mapping[str, str]:
    """Return the same of an answer: most endpoints' clocks agree with ours on the second that it came in."""
    return _dated(unix_seconds(answered_at))


@lru_cache(maxsize=16)
def _dated(second: int) -> Mapping[str, str]:
    return {"Date": formatdate(second, usegmt=True)}


def pack(headers: Iterable[tuple[str, str]], known: Mapping[str, str] = _NOTHING) -> str:
    """Return headers as the log keeps them: `[0, [5], ["X-Own", "value"]]`.

    A number alone is a whole header of REPEATED, a number in a pair a name of it. Such a name without a value has the
    `known` one, which `unpack` must be given again.
    """
    packed: list[int | tuple[int | str, ...]] = []
    for name, value in headers:
        place = _HEADERS.get((name, value))
        if place is not None:
            packed.append(place)
        elif known.get(name) == value:
            packed.append((_NAMES[name],))
        else:
            packed.append((_NAMES.get(name, name), value))
    return orjson.dumps(packed).decode()


def unpack(text: str, known: Mapping[str, str] = _NOTHING) -> list[tuple[str, str]]:
    """Return the headers that `pack` was given, or that were stored as plain pairs; none where the text is neither."""
    try:
        return [_header(each, known) for each in json.loads(text)]
    except (ValueError, TypeError, LookupError):
        return []


def _header(kept: int | Sequence[int | str], known: Mapping[str, str]) -> tuple[str, str]:
    if isinstance(kept, int):
        whole = _repeated(kept)
        if isinstance(whole, str):
            raise ValueError("a name without a value")
        return whole
    if len(kept) == 1 and isinstance(kept[0], int):
        alone = str(_repeated(kept[0]))
        return alone, known[alone]
    name, value = kept
    return str(_repeated(name) if isinstance(name, int) else name), str(value)


def _repeated(place: int) -> str | tuple[str, str]:
    if place < 0:
        raise IndexError(place)
    return REPEATED[place]
