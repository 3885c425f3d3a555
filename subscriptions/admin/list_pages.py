"""Lists that people arrange for themselves: what `list_tools` puts above them, and where its forms lead."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import path
from django.urls.resolvers import URLPattern
from unfold.admin import ModelAdmin

from subscriptions.admin import list_tools


class ListPages(ModelAdmin):
    """A ModelAdmin with views of its list and a choice of columns.

    `ready_views` are (name, query) of the views that stand above the list for everybody; `more_columns` are those that
    a person may choose beside `list_display`.
    """

    ready_views: ClassVar[tuple[tuple[str, str], ...]] = ()
    more_columns: ClassVar[tuple[str, ...]] = ()
    list_before_template = "subscriptions/list_tools.html"

    def columns_on_offer(self, request: HttpRequest) -> list[str]:
        """Return the columns that can be shown, the usual ones first."""
        return [*super().get_list_display(request), *self.more_columns]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Return the columns that the browser chose, or the usual ones."""
        chosen = list_tools.chosen_columns(request, self) if self.more_columns else set()
        wanted = {*chosen, self.list_display[0], *(self.list_display_links or ())} if chosen else {*self.list_display}
        return [name for name in self.columns_on_offer(request) if name in wanted]

    def get_urls(self) -> list[URLPattern]:
        """Add what changes the person's views of the list, and the columns they see."""
        own, view = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        return [
            path("views/", view(self.change_views), name=f"{own}_views"),
            path("columns/", view(self.choose_columns), name=f"{own}_columns"),
            *super().get_urls(),
        ]

    def change_views(self, request: HttpRequest) -> Any:
        """Save or delete a view of the person's own. Raises PermissionDenied for who may see no row."""
        return list_tools.change_views(self._looking(request), self)

    def choose_columns(self, request: HttpRequest) -> Any:
        """Keep which columns this browser shows. Raises PermissionDenied for who may see no row."""
        return list_tools.choose_columns(self._looking(request), self)

    def _looking(self, request: HttpRequest) -> HttpRequest:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return request
