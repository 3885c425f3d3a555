"""A webhook's custom headers: what they may be, and how they join ours without ever taking their place."""

import re
from collections.abc import Mapping
from typing import Final

from deliveries.dialects.base import Encoded

MAX_HEADERS: Final = 20
MAX_NAME_CHARS: Final = 100
MAX_VALUE_CHARS: Final = 2000

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")  # RFC 9110, 5.5, without control characters
_OURS: Final = ("webhook-", "x-alva-", "x-litestore-", "x-shopery-")
_RESERVED: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)


def is_reserved(name: str) -> bool:
    """Whether a header is set by us or by the transport in some dialect, whatever its case."""
    lower = name.lower()
    return lower in _RESERVED or lower.startswith(_OURS)


def check_custom_headers(custom: Mapping[str, str]) -> None:
    """Refuse custom headers that could not be sent as they are.

    Raises:
        ValueError: Names the header: malformed, reserved, given twice, too long, or one too many.
    """
    if len(custom) > MAX_HEADERS:
        raise ValueError(f"headers: at most {MAX_HEADERS} are allowed; {len(custom)} are too many. Leave some out.")
    seen: set[str] = set()
    for name, value in custom.items():
        _check_form(name, value)
        if is_reserved(name):
            raise ValueError(f"headers: {name} is set by the delivery itself. Leave it out or choose another name.")
        if name.lower() in seen:
            raise ValueError(f"headers: {name} is given twice. Case does not count; keep one.")
        seen.add(name.lower())


def merge_headers(encoded: Encoded, custom: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the dialect's headers followed by the custom ones.

    Reserved names and second spellings of one name are left out: headers stored under one dialect must not stop
    deliveries under another.

    Raises:
        ValueError: A custom header is malformed (line break, control character, not Latin-1).
    """
    seen = {name.lower() for name, _ in encoded.headers}
    merged = list(encoded.headers)
    for name, value in custom.items():
        _check_form(name, value)
        if not is_reserved(name) and name.lower() not in seen:
            seen.add(name.lower())
            merged.append((name, value))
    return tuple(merged)


def _check_form(name: object, value: object) -> None:
    if not (isinstance(name, str) and len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name)):
        raise ValueError(
            f"headers: {name!r} is no header name. Use 1 to {MAX_NAME_CHARS} letters, digits and !#$%&'*+-.^_`|~"
        )
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(f"headers: {name} must be text without line breaks, control or non-Latin-1 characters.")
    if len(value) > MAX_VALUE_CHARS or value != value.strip():
        raise ValueError(f"headers: {name} must have at most {MAX_VALUE_CHARS} characters, and no space at the edges.")
