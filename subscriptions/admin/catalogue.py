"""The catalogue of events: what all merchants can listen to."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from subscriptions import desk
from subscriptions.admin.local_times import DASH
from subscriptions.admin.scoping import STAFF, MerchantScoped
from subscriptions.models import EventType


class GroupFilter(DropdownFilter):
    """Events of one group."""

    title, parameter_name = "group", "group"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the groups of the catalogue."""
        groups = EventType.objects.order_by("group").values_list("group", flat=True).distinct()
        return [(group, group) for group in groups]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen group."""
        return queryset.filter(group=self.value()) if self.value() else queryset


@desk.register(EventType)
class EventTypeAdmin(MerchantScoped):
    """Everyone reads the catalogue; the platform's staff may change `fresh` and `is_active` and add entries."""

    merchant_path = None
    needs = {"add": STAFF, "change": STAFF}
    list_display = ["name", "about", "group", "spellings", "offered"]
    list_filter = [GroupFilter]
    list_filter_submit = False
    search_fields = ["name", "description"]
    search_help_text = "Search names and descriptions"
    readonly_fields = ["schema_text", "example_text", "spellings", "offered"]
    fieldsets = [
        (None, {"fields": ["name", "description", "group", "spellings", "source"]}),
        ("What it carries", {"fields": ["example_text", "schema_text"]}),
        ("How it is sent", {"fields": ["is_active", "fresh"]}),
    ]
    viewer_fieldsets = [
        (None, {"fields": ["name", "description", "group", "spellings", "offered"]}),
        ("What it carries", {"fields": ["example_text", "schema_text"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["name", "description", "group", "aliases", "example", "schema", "fresh", "is_active"]})
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what concerns the platform's staff alone."""
        is_viewer = obj is not None and not self.has_change_permission(request, obj)
        return self.viewer_fieldsets if is_viewer else super().get_fieldsets(request, obj)

    @display(description="What happened", ordering="description")
    def about(self, row: EventType) -> str:
        """Return the description."""
        return row.description

    @display(description="Other spellings")
    def spellings(self, row: EventType) -> str:
        """Return the aliases."""
        return ", ".join(row.aliases) or DASH

    @display(description="Offered", boolean=True, ordering="is_active")
    def offered(self, row: EventType) -> bool:
        """Tell whether it can be subscribed to."""
        return row.is_active

    @display(description="Example of data")
    def example_text(self, row: EventType) -> str:
        """Return the example, laid out."""
        return _code(row.example)

    @display(description="Schema of data")
    def schema_text(self, row: EventType) -> str:
        """Return the schema, laid out."""
        return _code(json.dumps(row.schema))


def _code(text: str) -> str:
    with suppress(ValueError):  # shown as it is otherwise
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return format_html('<pre class="desk-code" tabindex="0">{}</pre>', text)
