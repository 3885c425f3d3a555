"""The events a webhook subscribes to."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any, Final

from subscriptions import patterns, selectors
from subscriptions.validators.text import kind

EVENTS_MAX: Final = 100
"""Names and patterns of one webhook; whoever wants more uses patterns."""


def clean_events(value: Any, known: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the patterns as they are stored, each once, and what is wrong with those that can't be.

    An exact name must be in the catalogue, or among `known`: what the webhook subscribes to already may stay. A prefix
    that matches nothing is accepted, since it waits for events that the catalogue gains later;
    `selectors.patterns_without_events` names such prefixes to whoever wants to warn.
    """
    if problem := _unusable(value):
        return [], [problem]
    cleaned: list[str] = []
    problems: list[str] = []
    for pattern in value:
        try:
            cleaned.append(patterns.validate_pattern(pattern))
        except ValueError as error:
            problems.append(str(error))
    cleaned = list(dict.fromkeys(cleaned))
    return cleaned, problems + _not_in_catalogue(cleaned, known)


def _unusable(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return f'Events must be a list such as ["order.created", "file.*"], not {kind(value)}.'
    if not value:
        return "A webhook needs at least one event. Name one, or use * for all."
    if len(value) > EVENTS_MAX:
        return f"A webhook has at most {EVENTS_MAX} events; these are {len(value)}. Use patterns such as order.*"
    return ""


def _not_in_catalogue(wanted: list[str], known: Collection[str]) -> list[str]:
    exact = [pattern for pattern in wanted if not pattern.endswith("*") and pattern not in known]
    if not exact:
        return []
    names = selectors.event_names()
    return [f"There is no event {name!r}. {_hint(name, names)}" for name in exact if name not in names]


def _hint(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]}?" if near else "Use a name from the list of event types."
