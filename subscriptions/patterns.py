"""Event names and the patterns that subscribe to them.

Pure functions. A pattern is one of three things: an event's exact name (`order.created`), a prefix that ends at a
`.` or `-` (`order.*`, `orders-*`), or `*` for everything. So few patterns can match one event that matching needs
no scan: the selectors ask for `pattern IN candidates(name)`, an index lookup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_NAME_LENGTH = 100
"""Characters in an event's name, and in a pattern: no prefix pattern of such a name is longer than the name."""

EVERYTHING = "*"

_NAME = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")
_NAME_CHARACTER = re.compile(r"[A-Za-z0-9_.-]")
_SEPARATOR = re.compile(r"[.-]")

_EXAMPLES = "Use an event's name such as order.created, a prefix such as order.* or orders-*, or * for all events."


def validate_event_name(name: str) -> str:
    """Return `name` unchanged if it can name an event: ASCII words joined by single `.` or `-`, at most 100 characters.

    Raises ValueError saying what is wrong and how to fix it.
    """
    _refuse_unusable_text(name, "An event name", "Give a name such as order.created.")
    if "*" in name:
        raise ValueError(f"The event name {name!r} contains *. Only subscriptions have patterns: name one event.")
    _refuse_malformed_name(name, f"The event name {name!r}")
    return name


def validate_pattern(pattern: str) -> str:
    """Return `pattern` in the form it is stored in and looked up by. Case counts, and nothing is trimmed.

    Raises ValueError saying what is wrong and how to fix it, for all but an exact name, a prefix pattern and `*`.
    """
    _refuse_unusable_text(pattern, "An event pattern", _EXAMPLES)
    if pattern == EVERYTHING:
        return pattern
    subject = f"The event pattern {pattern!r}"
    stem, star, rest = pattern.partition("*")
    if not star:
        _refuse_malformed_name(pattern, subject)
        return pattern
    _refuse_foreign_characters(pattern.replace("*", "_"), subject)
    if rest:  # a stem there is: a lone * has been answered
        raise ValueError(f"{subject} has a * that is not at its end. {_EXAMPLES}")
    if not _SEPARATOR.fullmatch(stem[-1]):
        raise ValueError(f"{subject} cuts a word. Put . or - before the *: {stem}.* or {stem}-*.")
    _refuse_malformed_name(stem[:-1], subject)
    return pattern


def candidates(event_name: str, aliases: Sequence[str] = ()) -> list[str]:
    """Return every stored pattern that matches an event of this (valid) name or one of its aliases, without repetition.

    The exact names come first, then their prefixes, shortest first, then `*`: `order.created`, `order.*`, `*`.
    """
    names = [event_name, *aliases]
    prefixes = [name[: separator.end()] + "*" for name in names for separator in _SEPARATOR.finditer(name)]
    return list(dict.fromkeys([*names, *prefixes, EVERYTHING]))


def matches(pattern: str, event_name: str, aliases: Sequence[str] = ()) -> bool:
    """Say whether a valid `pattern` subscribes to an event of this name or one of its aliases."""
    if pattern == EVERYTHING:
        return True
    if pattern.endswith("*"):
        return any(name.startswith(pattern[:-1]) for name in (event_name, *aliases))
    return pattern == event_name or pattern in aliases


def _refuse_unusable_text(text: str, subject: str, fix: str) -> None:
    if not isinstance(text, str):
        raise ValueError(f"{subject} must be text, not {type(text).__name__}. {fix}")
    if not text:
        raise ValueError(f"{subject} can't be empty. {fix}")
    if len(text) > MAX_NAME_LENGTH:
        raise ValueError(f"{subject} has at most {MAX_NAME_LENGTH} characters; this one has {len(text)}. Shorten it.")


def _refuse_malformed_name(name: str, subject: str) -> None:
    _refuse_foreign_characters(name, subject)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{subject} starts or ends with . or -, or has two of them together. Put exactly one between words."
        )


def _refuse_foreign_characters(text: str, subject: str) -> None:
    for position, character in enumerate(text, start=1):
        if character.isspace():
            raise ValueError(f"{subject} has a space at position {position}. Remove it; one entry holds one name.")
        if not _NAME_CHARACTER.fullmatch(character):
            raise ValueError(
                f"{subject} has {character!r} at position {position}. "
                "Use only A-Z, a-z, 0-9 and _, with single . or - between words."
            )
