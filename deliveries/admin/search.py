"""The search boxes of the log and of events: `deliveries.review.search` among what a person may see."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from deliveries.models import Event
from deliveries.review import search


def among(admin: Any, request: Any, term: str) -> list[int]:
    """Return the primary keys of the events the person may see that the term names or that contain it.

    Where older payloads were not looked at, `reached` tells it of the request from then on.
    """
    event_admin = admin.admin_site._registry[Event]
    lead = event_admin.lead(request, {})
    order = ["-pk"] if lead is None else [lead[0], "-pk"]
    webhooks = event_admin.merged_rows(request, {}) if lead is None else None
    found = search.events(event_admin.get_queryset(request), term, order, webhooks)
    request.desk_search_reached = found.reached
    return found.keys


def reached(request: Any) -> datetime | None:
    """Return the moment before which this request's search looked at no payload; None where it looked at all."""
    return getattr(request, "desk_search_reached", None)
