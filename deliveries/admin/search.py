"""Finding events and deliveries by an id, a resource's id, or a piece of the payload such as an order number."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from deliveries.models import Event

PAYLOADS_MAX = 20_000
"""How many of the newest events' payloads a search reads; ids and resource ids are found in all."""
FOUND_MAX = 500
"""The most events a search by text finds."""
TERM_MAX = 200


def clean(term: str) -> str:
    """Return the term without what no database looks for."""
    return "".join(character for character in term.strip() if character.isprintable())[:TERM_MAX]


def events(rows: QuerySet[Event], term: str) -> list[int]:
    """Return the primary keys among `rows` (scoped events) that the term names or that contain it. Two queries."""
    term = clean(term)
    if not term:
        return []
    named = rows.filter(public_id=term).order_by() | rows.filter(resource_id=term).exclude(resource_id="").order_by()
    keys = list(named.values_list("pk", flat=True)[:FOUND_MAX])
    if keys:
        return keys
    newest = rows.order_by("-pk").values("pk")[:PAYLOADS_MAX]
    containing = Event.objects.filter(pk__in=newest, data__contains=term).order_by("-pk")
    return list(containing.values_list("pk", flat=True)[:FOUND_MAX])


def scoped_events(admin: Any, request: Any) -> QuerySet[Event]:
    """Return the events the person may see."""
    return admin.related(request, Event)
