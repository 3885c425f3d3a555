"""Text that shows nothing: what variables that were never set leave in a request."""

from __future__ import annotations

import sys
from typing import Final

WHITE_SPACE: Final = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
"""Every code point that `str.strip`, and so Django's forms, take off."""
ZERO_WIDTH: Final = [
    "\u00ad",  # soft hyphen
    "\u180e",  # Mongolian vowel separator
    "\u200b",  # zero width space
    "\u200c",  # zero width non-joiner
    "\u200d",  # zero width joiner
    "\u200e",  # left-to-right mark
    "\u2060",  # word joiner
    "\u2800",  # braille pattern blank
    "\u3164",  # Hangul filler
    "\ufe0f",  # variation selector 16
    "\ufeff",  # byte order mark
]
"""What takes no room, or shows none, and isn't white space to `str.strip`."""
UNSEEN: Final = [*WHITE_SPACE, *ZERO_WIDTH]


def name_of(text: str) -> str:
    """Return the code points of a text, to name a test's case by."""
    return "+".join(f"U+{ord(one):04X}" for one in text) or "empty"
