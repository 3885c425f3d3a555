"""Fan-out's questions to the catalogue and the subscriptions: one indexed query each.

Plain SQL, the same on both databases: composing these two queries in the ORM costs more than running them, and every
event published asks them. Subscriptions are never cached; entries of the catalogue, which seldom change, are for
REMEMBERED_FOR seconds.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Match:
    """A webhook that listens to an event, with what decides whether it gets it."""

    webhook_id: int
    is_enabled: bool
    disabled_reason: str
    filter: str
    fields: list[str]
    ordering: str = ""


_BY_NAME = "SELECT name, aliases, source FROM webhooks_subscriptions_eventtype WHERE is_active AND name IN ({marks})"
_ALL = "SELECT name, aliases, source FROM webhooks_subscriptions_eventtype WHERE is_active"
_MATCHING = """
    SELECT s.pattern, w.id, w.is_enabled, w.disabled_reason, w.filter, w.fields, w.ordering
    FROM webhooks_subscriptions_subscription s JOIN webhooks_subscriptions_webhook w ON w.id = s.webhook_id
    WHERE s.merchant_id = %s AND s.ended_at IS NULL AND s.pattern IN ({marks}) AND w.deleted_at IS NULL
    ORDER BY w.id
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
    entries = {entry.name: entry for entry in _entries(_BY_NAME.format(marks=_marks(wanted)), wanted)}
    if missing := set(wanted) - entries.keys():
        for entry in _entries(_ALL, []):
            for alias in missing.intersection(entry.aliases):
                entries[alias] = entry
    return entries


def suggestion(name: str) -> str:
    """Return the end of an error message for an unknown event name: the nearest known name, or where to look."""
    names = EventType.objects.filter(is_active=True).values_list("name", flat=True)
    nearest = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {nearest[0]!r}?" if nearest else "See the event catalogue for the names there are."


def matching(merchant_id: int, entries: Iterable[KnownEvent]) -> Mapping[str, list[Match]]:
    """Return event name → the merchant's webhooks that listen to it, each once, in the order they were made.

    Exact names, aliases, `order.*` and `*` become one `pattern IN (…)`, served by the index on live subscriptions.
    Disabled webhooks are included: their deliveries are recorded as skipped.
    """
    accepted = {entry.name: entry.patterns for entry in entries}
    patterns = sorted(set().union(*accepted.values()))
    with connection.cursor() as cursor:
        cursor.execute(_MATCHING.format(marks=_marks(patterns)), [merchant_id, *patterns])
        rows = [
            (pattern, Match(pk, is_enabled, reason, condition, _parsed(fields), ordering))
            for pattern, pk, is_enabled, reason, condition, fields, ordering in cursor.fetchall()
        ]
    return {
        name: list({match.webhook_id: match for pattern, match in rows if pattern in wanted}.values())
        for name, wanted in accepted.items()
    }


def _entries(sql: str, parameters: Sequence[str]) -> list[KnownEvent]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [KnownEvent(name, tuple(_parsed(aliases)), source) for name, aliases, source in cursor.fetchall()]


def _marks(values: Collection[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _parsed(value: Any) -> Any:
    """Return a JSON column: Django's connection gives its text."""
    return json.loads(value) if isinstance(value, str) else value
