"""Finding events and deliveries by an id, a resource's id, or a piece of the payload such as an order number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from deliveries.admin import merged_pages
from deliveries.admin.merged_pages import MergedRows
from deliveries.models import Event
from deliveries.review import text_search
from subscriptions.filters import says_nothing

PAYLOADS_MAX = 20_000
"""How many of the newest events' payloads a search reads; ids and resource ids are found in all."""
FOUND_MAX = 500
"""The most events a search by text finds."""


def events(
    rows: QuerySet[Event], term: str, order: Sequence[str] = ("-pk",), webhooks: MergedRows | None = None
) -> list[int]:
    """Return the primary keys among `rows` (scoped events) that the term names or that contain it.

    What contains means: `deliveries.review.text_search`. `order` is newest first, led by the column an index begins
    with; `webhooks` are the merchants, where they are several. Three queries.
    """
    if says_nothing(term):
        return []
    named = rows.filter(public_id=term).order_by() | rows.filter(resource_id=term).exclude(resource_id="").order_by()
    keys = list(named.values_list("pk", flat=True)[:FOUND_MAX])
    newest = rows.order_by(*order)
    if webhooks is None:
        floor = newest.values_list("pk", flat=True)[PAYLOADS_MAX - 1 : PAYLOADS_MAX].first()
    else:
        floor = merged_pages.depth(rows, webhooks, descending=True, rows_max=PAYLOADS_MAX)
    found = (newest if floor is None else newest.filter(pk__gte=floor)).filter(text_search.in_payload(term))
    if webhooks is not None:
        keys += merged_pages.first(found, webhooks, descending=True, limit=FOUND_MAX)
    else:
        keys += found.values_list("pk", flat=True)[:FOUND_MAX]
    return keys


def among(admin: Any, request: Any, term: str) -> list[int]:
    """Return the primary keys of the events the person may see that the term names or that contain it."""
    event_admin = admin.admin_site._registry[Event]
    lead = event_admin.lead(request, {})
    order = ["-pk"] if lead is None else [lead[0], "-pk"]
    webhooks = event_admin.merged_rows(request, {}) if lead is None else None
    return events(event_admin.get_queryset(request), term, order, webhooks)
