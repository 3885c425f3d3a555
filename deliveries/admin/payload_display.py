"""Bodies and headers for people's eyes: JSON laid out, bytes that aren't text written as escapes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

SHOWN_MAX = 100_000
"""Characters of a payload that a page shows."""


def pretty(text: str) -> str:
    """Return JSON laid out with two spaces, or the text itself where it is none; cut at SHOWN_MAX characters."""
    with suppress(ValueError, RecursionError):  # an answer may be anything
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "\n… cut here"


def text_of(body: bytes | memoryview | None) -> str:
    """Return a body's bytes as text; what is not UTF-8 stands as an escape."""
    return pretty(bytes(body or b"").decode("utf-8", "backslashreplace").replace("\x00", "\\x00"))


def pairs(text: str) -> list[tuple[str, str]]:
    """Return stored headers, a JSON list of pairs; none where they are malformed."""
    try:
        return [(str(name), str(value)) for name, value in json.loads(text)]
    except (ValueError, TypeError):
        return []


def as_lines(headers: Any) -> str:
    """Write headers a line each."""
    return "\n".join(f"{name}: {value}" for name, value in headers)
