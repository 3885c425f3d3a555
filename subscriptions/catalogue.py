"""The event catalogue: the shipped entries into the database, and names looked up."""

from __future__ import annotations

from dataclasses import replace

from subscriptions import event_types, matching
from subscriptions.conf import settings
from subscriptions.event_types import CatalogueEntry
from subscriptions.models import EventType

_SHIPPED = ["aliases", "group", "source", "description", "schema", "example"]


def _entries() -> list[CatalogueEntry]:
    """Return the project's own event types, and those shipped ones that it asks for and whose names it doesn't take."""
    own = event_types.read(settings.WEBHOOKS_EVENT_TYPES)
    taken = {name for entry in own for name in (entry.name, *entry.aliases)}
    shipped = [entry for entry in event_types.load() if entry.source in settings.WEBHOOKS_CATALOGUES]
    free = [
        replace(entry, aliases=[alias for alias in entry.aliases if alias not in taken])
        for entry in (*shipped, *event_types.load_operations())
        if entry.name not in taken
    ]
    return [*own, *free]


def load_event_types(*, using: str = "default") -> int:
    """Write the shipped catalogue into EventType, updating what a release changed. Returns the number of entries.

    Entries that staff added stay; `fresh` and `is_active` are theirs to change and are left alone.
    """
    entries = [
        EventType(name=entry.name, **{field: getattr(entry, field) for field in _SHIPPED}) for entry in _entries()
    ]
    for entry in entries:
        entry.aliases = list(entry.aliases)
    EventType.objects.using(using).bulk_create(
        entries, update_conflicts=True, unique_fields=["name"], update_fields=_SHIPPED
    )
    matching.forget_events()
    return len(entries)
