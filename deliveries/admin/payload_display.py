"""Bodies and headers for people's eyes: JSON laid out, bytes that aren't text written as escapes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final

SHOWN_MAX = 100_000
"""Characters of a payload that a page shows."""
SENTENCE_MAX: Final = 160
"""Characters of an endpoint's own words that stand in a sentence of ours."""
_MESSAGES: Final = ("detail", "message", "error_description", "reason", "title", "error", "errors", "code")
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


def sentence_of(body: bytes | memoryview | None) -> str:
    """Return what an answer says to a person: a JSON object's message, or a text's first line; SENTENCE_MAX at most.

    Empty for HTML, for bytes that are no text, and for JSON without such a member.
    """
    text = bytes(body or b"").decode("utf-8", "replace").strip()
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        text = _message_of(found) if isinstance(found, (dict, list)) else str(found)
    line = next(iter(text.splitlines()), "").strip()
    if not line.isprintable() or "\ufffd" in line or line.startswith(("<", "{", "[")):
        return ""
    return line if len(line) <= SENTENCE_MAX else f"{line[:SENTENCE_MAX]}…"


def _message_of(found: Any) -> str:
    """Return the first text under a name of an error's message, as RFC 9457 and common frameworks have it."""
    while isinstance(found, list):
        found = found[0] if found else None
    if not isinstance(found, dict):
        return found if isinstance(found, str) else ""
    said = [found.get(name) for name in _MESSAGES]
    texts = [each for each in said if isinstance(each, str) and each.strip()]
    nested = [text for each in said if isinstance(each, (dict, list)) and (text := _message_of(each))]
    return (texts + nested + [""])[0]


def as_lines(headers: Any) -> str:
    """Write headers a line each."""
    return "\n".join(f"{name}: {value}" for name, value in headers)
