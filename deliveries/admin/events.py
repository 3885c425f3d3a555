"""Events: what happened, and on each event's page why it reached a webhook or did not."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from unfold.decorators import display

from deliveries.admin import delivery_log_filters, explanations, expunge, labels, payload_display, search
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.db.statements import load
from deliveries.models import Delivery, Event
from deliveries.models.events import EXPUNGED
from subscriptions import desk
from subscriptions.admin import cells, local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.scoping import OWNER
from subscriptions.filters import says_nothing

_SQL = load(__file__, "events.sql")
DELIVERIES_MAX = 1000
"""Deliveries of an event whose statuses its row tells of."""


class TypeFilter(delivery_log_filters.EventTypeFilter):
    """One event of the catalogue."""

    lookup = "type"


@desk.register(Event)
class EventAdmin(CursorAdmin):
    """Events are facts: they are published by programs, and read here."""

    needs = {"expunge": OWNER}
    list_display = ["outcome", "kind", "shown_id", "bytes", "when", "merchant"]
    list_display_links = ["kind", "shown_id"]
    more_columns = ("resource", "happened")
    list_select_related = ["merchant"]
    list_filter = [TypeFilter, ("merchant", OwnRowsFilter)]
    search_fields = ["public_id"]
    search_help_text = "Order number, id or other text"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave payloads where they are, but on the event's page."""
        return super().get_queryset(request).defer("data")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Find by id, resource or text of the payload."""
        if says_nothing(search_term):
            return (queryset.none() if search_term else queryset), False
        return queryset.filter(pk__in=search.among(self, request, search_term)), False

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        """Show the event, and each webhook with what became of it there."""
        event = self.get_object(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(event),
            "opts": self.opts,
            "original": event,
            "object": event,
            "event": event,
            "payload": payload_display.pretty(event.data),
            "explanations": explanations.explain(event),
            "traces": expunge.traces(event),
            "may_expunge": event.data != EXPUNGED and self.may(request, "expunge", event),
        }
        return TemplateResponse(request, "desk/event.html", context)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that expunges a payload."""
        view = self.admin_site.admin_view(self.expunge_view)
        return [path("<path:object_id>/expunge/", view, name="webhooks_deliveries_event_expunge"), *super().get_urls()]

    def expunge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the reason, then take the payload out."""
        return expunge.page(self, request, self.get_object(request, object_id))

    def read_along(self, rows: list[Any], columns: list[str]) -> None:
        """Count the deliveries of the page's events by status, in one query."""
        found: dict[int, Counter[str]] = {row.pk: Counter() for row in rows}
        with connection.cursor() as cursor:
            cursor.execute(_SQL["statuses"], {"event_ids": list(found), "most": DELIVERIES_MAX})
            for event, status, count in cursor.fetchall():
                found[event][status] = count
        for row in rows:
            row.deliveries_by_status = found[row.pk]

    @display(description="Outcome", label=labels.TONES)
    def outcome(self, row: Event) -> tuple[str, str]:
        """Return the status that asks for attention first, and how many deliveries have it."""
        counts = row.deliveries_by_status  # type: ignore[attr-defined]  # by read_along
        status = next((each for each in labels.URGENT if counts[each]), None)
        if status is None:
            return "none", "No webhook"
        of_all = f" of {counts.total()}" if len(counts) > 1 else ""
        return status, f"{counts[status]}{of_all} {str(Delivery.Status(status).label).lower()}"

    @display(description="Event")
    def kind(self, row: Event) -> str:
        """Return its name, over the id of what it is about."""
        return cells.lines(row.type, row.resource_id)

    @display(description="Time, UTC")
    def when(self, row: Event) -> str:
        """Return when it was published."""
        return cells.brief(row.created_at)

    @display(description="Id")
    def shown_id(self, row: Event) -> str:
        """Return the id that stands in every message."""
        return row.public_id

    @display(description="Size")
    def bytes(self, row: Event) -> str:
        """Return the payload's size."""
        return f"{row.size:,} bytes"

    @display(description="Resource")
    def resource(self, row: Event) -> str:
        """Return the id of what it is about."""
        return row.resource_id or local_times.DASH

    @display(description="Happened, UTC")
    def happened(self, row: Event) -> str:
        """Return when it happened, as its publisher says."""
        return cells.brief(row.occurred_at)
