"""What publishing asks of the catalogue: the active entries of some names, and what each is matched by.

Plain SQL: composing the query in the ORM costs more than running it. Entries, which seldom change, are remembered for
REMEMBERED_FOR seconds.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from subscriptions.models import EventType
from subscriptions.patterns import EVERYTHING, candidates

OPERATIONS = "operations"
"""The source of our own events about webhooks and deliveries."""


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An active entry of the catalogue: its name, its other spellings, and where it comes from."""

    name: str
    aliases: tuple[str, ...]
    source: str

    @property
    def patterns(self) -> set[str]:
        """The patterns that match it. Events about deliveries are not of the shop: `*` leaves them out."""
        patterns = set(candidates(self.name, self.aliases))
        return patterns - {EVERYTHING} if self.source == OPERATIONS else patterns


# The active entries of these names; served by the unique index on the name.
_BY_NAME = """
    SELECT name, aliases, source FROM webhooks_subscriptions_eventtype WHERE is_active AND name = ANY(%(names)s)
"""
# The whole active catalogue, a few hundred rows at most: a name may be an alias, which no index knows.
_ALL = """
    SELECT name, aliases, source FROM webhooks_subscriptions_eventtype WHERE is_active
"""

REMEMBERED_FOR = 5.0
"""Seconds for which a process knows an event without asking: so long a name that was just retired may still pass."""
REMEMBERED_MAX = 10_000
"""Names; far more than a catalogue has."""
_remembered: dict[str, tuple[float, KnownEvent]] = {}


def known_events(names: Collection[str]) -> dict[str, KnownEvent]:
    """Return given name → active catalogue entry, by name or alias; unknown names are left out.

    One query where every name is an entry's own; a second, over the whole catalogue, where one may be an alias. What
    was found is remembered for REMEMBERED_FOR, what wasn't is asked for again.
    """
    now = time.monotonic()
    # Each is looked up once: another thread may forget them all between two looks.
    looked_up = ((name, _remembered.get(name)) for name in names)
    found = {name: memory[1] for name, memory in looked_up if memory is not None and memory[0] > now}
    if wanted := sorted(set(names) - found.keys()):
        asked = _asked(wanted)
        if len(_remembered) > REMEMBERED_MAX:
            _remembered.clear()
        _remembered.update((name, (now + REMEMBERED_FOR, entry)) for name, entry in asked.items())
        found |= asked
    return found


def forget_events(**_kwargs: Any) -> None:
    """Make this process ask the catalogue anew: it has changed."""
    _remembered.clear()


def _asked(wanted: Sequence[str]) -> dict[str, KnownEvent]:
    entries = {entry.name: entry for entry in _entries(_BY_NAME, {"names": list(wanted)})}
    if missing := set(wanted) - entries.keys():
        for entry in _entries(_ALL, {}):
            for alias in missing.intersection(entry.aliases):
                entries[alias] = entry
    return entries


def suggestion(name: str) -> str:
    """Return the end of an error message for an unknown event name: the nearest known name, or where to look."""
    names = EventType.objects.filter(is_active=True).values_list("name", flat=True)
    nearest = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {nearest[0]!r}?" if nearest else "See the event catalogue for the names there are."


def _entries(statement: str, parameters: Mapping[str, Any]) -> list[KnownEvent]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [KnownEvent(name, tuple(_parsed(aliases)), source) for name, aliases, source in cursor.fetchall()]


def _parsed(value: Any) -> Any:
    """Return a JSON column: Django's connection gives its text."""
    return json.loads(value) if isinstance(value, str) else value
