"""The event catalogue: the shipped entries into the database, and names looked up."""

from __future__ import annotations

from subscriptions import event_types, matching
from subscriptions.models import EventType

_SHIPPED = ["aliases", "group", "source", "description", "schema", "example"]


def load_event_types(*, using: str = "default") -> int:
    """Write the shipped catalogue into EventType, updating what a release changed. Returns the number of entries.

    Entries that staff added stay; `fresh` and `is_active` are theirs to change and are left alone.
    """
    entries = [
        EventType(name=entry.name, **{field: getattr(entry, field) for field in _SHIPPED})
        for entry in (*event_types.load(), *event_types.load_operations())
    ]
    for entry in entries:
        entry.aliases = list(entry.aliases)
    EventType.objects.using(using).bulk_create(
        entries, update_conflicts=True, unique_fields=["name"], update_fields=_SHIPPED
    )
    matching.forget_events()
    return len(entries)
