"""Fan-out's questions to the catalogue and the subscriptions: one indexed query each, nothing cached."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from subscriptions.models import EventType, Subscription
from subscriptions.patterns import candidates


@dataclass(frozen=True, slots=True)
class Match:
    """A webhook that listens to an event, with what decides whether it gets it."""

    webhook_id: int
    is_enabled: bool
    disabled_reason: str
    filter: str
    fields: list[str]


def known_event_types(names: Collection[str]) -> dict[str, EventType]:
    """Return given name → active catalogue entry, by name or alias; unknown names are left out.

    One query where every name is an entry's own; a second, over the whole catalogue, where one may be an alias.
    """
    entries = {entry.name: entry for entry in EventType.objects.filter(name__in=set(names), is_active=True)}
    missing = set(names) - entries.keys()
    if missing:
        for entry in EventType.objects.filter(is_active=True):
            for alias in missing.intersection(entry.aliases):
                entries[alias] = entry
    return entries


def suggestion(name: str) -> str:
    """Return the end of an error message for an unknown event name: the nearest known name, or where to look."""
    names = EventType.objects.filter(is_active=True).values_list("name", flat=True)
    nearest = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean {nearest[0]!r}?" if nearest else "See the event catalogue for the names there are."


def matching(merchant_id: int, entries: Collection[EventType]) -> Mapping[str, list[Match]]:
    """Return event name → the merchant's webhooks that listen to it, each once, in the order they were made.

    Exact names, aliases, `order.*` and `*` become one `pattern IN (…)`, served by the index on live subscriptions.
    Disabled webhooks are included: their deliveries are recorded as skipped.
    """
    patterns = {entry.name: set(candidates(entry.name, entry.aliases)) for entry in entries}
    rows = list(
        Subscription.objects.filter(
            merchant_id=merchant_id,
            ended_at=None,
            pattern__in=set().union(*patterns.values()),
            webhook__deleted_at=None,
        )
        .order_by("webhook_id")
        .values_list(
            "pattern",
            "webhook_id",
            "webhook__is_enabled",
            "webhook__disabled_reason",
            "webhook__filter",
            "webhook__fields",
        )
    )
    found: dict[str, list[Match]] = {}
    for name, accepted in patterns.items():
        webhooks = {row[1]: Match(*row[1:]) for row in rows if row[0] in accepted}
        found[name] = list(webhooks.values())
    return found
