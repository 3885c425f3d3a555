"""Bodies and headers for people's eyes: JSON laid out, bytes that aren't text written as escapes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

SHOWN_MAX = 100_000
"""Characters of a payload that a page shows."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def pretty(text: str) -> str:
    """Return JSON laid out with two spaces, or the text itself where it is none; cut at SHOWN_MAX characters.

    Numbers stay as they are written, and so do keys that stand twice: the log shows what was sent and answered.
    """
    with suppress(ValueError, RecursionError):  # an answer may be anything
        json.loads(text)
        text = _laid_out(text)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "\n… cut here"


def _laid_out(text: str) -> str:
    lines, depth = [""], 0
    pieces = [*(found[0] for found in _TOKEN.finditer(text)), ""]
    for piece, following in pairwise(pieces):
        if piece in {"{", "["} and following not in {"}", "]"}:
            depth += 1
            lines[-1] += piece
            lines.append("  " * depth)
        elif piece in {"}", "]"} and not lines[-1].endswith(("{", "[")):
            depth -= 1
            lines += ["  " * depth + piece]
        elif piece == ",":
            lines[-1] += piece
            lines.append("  " * depth)
        else:
            lines[-1] += ": " if piece == ":" else _readable(piece)
    return "\n".join(lines)


def _readable(piece: str) -> str:
    """Return a string with letters in place of their escapes."""
    text = json.dumps(json.loads(piece), ensure_ascii=False) if piece.startswith('"') and "\\u" in piece else piece
    return piece if _SURROGATE.search(text) else text


def text_of(body: bytes | memoryview | None) -> str:
    """Return a body's bytes as text; what is not UTF-8 stands as an escape."""
    return pretty(bytes(body or b"").decode("utf-8", "backslashreplace").replace("\x00", "\\x00"))


def as_lines(headers: Any) -> str:
    """Write headers a line each."""
    return "\n".join(f"{name}: {value}" for name, value in headers)
