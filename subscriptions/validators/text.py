"""Text as people type it, and what to call it when it is something else."""

from __future__ import annotations

import re
from typing import Any, Final

UNREADABLE: Final = (
    # Controls, what ends a line or shows nothing, and what turns the direction of writing (Unicode TR9), so that a name
    # reads as it is written. Not the joiners U+200C and U+200D, which scripts and emoji need.
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)
"""What one line of plain text doesn't contain, as a regular expression names it between brackets."""
_CONTROL: Final = re.compile(rf"[{UNREADABLE}\ud800-\udfff]")
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL refuses NUL, and UTF-8 has no surrogates


def kind(value: Any) -> str:
    """Return what JSON calls `value`: "null", "a list", "a number"."""
    return {type(None): "null", bool: "true or false", str: "text", list: "a list", dict: "an object"}.get(
        type(value), "a number"
    )


def limited(value: Any, limit: int, subject: str) -> str:
    """Return text of at most `limit` characters unchanged. Raises ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{subject} must be text, not {kind(value)}.")
    if len(value) > limit:
        raise ValueError(f"{subject} has at most {limit} characters; this one has {len(value)}. Shorten it.")
    if found := _UNSTORABLE.search(value):
        raise ValueError(f"{subject} contains {found[0]!r}, which can't be stored. Remove it.")
    return value


def single_line(value: Any, limit: int, subject: str) -> str:
    """Return text of one line without spaces at its edges. Raises ValueError for anything else."""
    text = limited(value, limit, subject).strip()
    if found := _CONTROL.search(text):
        raise ValueError(f"{subject} contains {found[0]!r}. Use one line of plain text.")
    return text


def sentence(text: str, limit: int) -> str:
    """Return any text as one line of at most `limit` characters: reasons and names of actors are never refused."""
    return _CONTROL.sub(" ", text).strip()[:limit]
