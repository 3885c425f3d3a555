"""Lists that stay quick at any length: pages by key instead of by number, no COUNT(*), and a bound on what is read.

A filter may match one row in a million. Each page reads at most SCAN_MAX rows, shows what it found among them, and
says so; "Older" goes on from there.
"""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from subscriptions.admin.scoping import MerchantScoped

OLDER, NEWER = "before", "after"
SCAN_MAX = 50_000
"""Rows that a filtered page reads at most."""


class PageOfRows(Paginator):
    """Stands in for a paginator: the rows are cut already."""

    template_name = "desk/pages.html"
    count = 0
    num_pages = 1


class CursorChangeList(ChangeList):
    """The newest rows first; `?before=KEY` and `?after=KEY` lead to older and newer pages."""

    older_url = newer_url = None
    scanned: int | None = None

    def get_filters_params(self, params: Any = None) -> Any:
        """Leave the cursor out of the filters."""
        return {key: value for key, value in super().get_filters_params(params).items() if key not in {OLDER, NEWER}}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Order by identity, newest first: what the indexes and the cursor go by."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more to know whether another follows."""
        before, after = (_key(request.GET.get(name)) for name in (OLDER, NEWER))
        self.result_list = rows = self._newer(after) if after is not None else self._older(before)
        self.model_admin.read_along(rows)
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(rows)
        self.paginator = PageOfRows(rows, self.list_per_page)

    def _older(self, before: int | None) -> list[Any]:
        size = self.list_per_page
        rows, everything = self.queryset, self.model_admin.scanned_rows(self.root_queryset, self.filter_params)
        if before is not None:
            rows, everything = rows.filter(pk__lt=before), everything.filter(pk__lt=before)
        floor = None
        if self.has_active_filters or self.query:
            floor = everything.order_by("-pk").values_list("pk", flat=True)[SCAN_MAX : SCAN_MAX + 1].first()
        found = list((rows if floor is None else rows.filter(pk__gt=floor))[: size + 1])
        page = found[:size]
        if len(found) > size:
            self.older_url = self._url(OLDER, page[-1].pk)
        elif floor is not None:
            self.older_url, self.scanned = self._url(OLDER, floor + 1), SCAN_MAX
        if before is not None:
            self.newer_url = self._url(NEWER, page[0].pk if page else before - 1)
        return page

    def _newer(self, after: int) -> list[Any]:
        size = self.list_per_page
        rows, everything = self.queryset, self.model_admin.scanned_rows(self.root_queryset, self.filter_params)
        ceiling = None
        if self.has_active_filters or self.query:
            above = everything.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)
            ceiling = above[SCAN_MAX : SCAN_MAX + 1].first()
        rows = rows.filter(pk__gt=after) if ceiling is None else rows.filter(pk__gt=after, pk__lt=ceiling)
        found = list(rows.order_by("pk")[: size + 1])
        page = found[:size][::-1]
        if len(found) > size:
            self.newer_url = self._url(NEWER, page[0].pk)
        elif ceiling is not None:
            self.newer_url, self.scanned = self._url(NEWER, ceiling - 1), SCAN_MAX
        self.older_url = self._url(OLDER, page[-1].pk if page else after + 1)
        return page

    def _url(self, name: str, key: int) -> str:
        return self.get_query_string({name: key}, [NEWER if name == OLDER else OLDER])


def _key(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


class CursorAdmin(MerchantScoped):
    """A scoped ModelAdmin over a table that grows for ever: cursor pages, no sorting by columns, nothing to edit."""

    sortable_by = ()
    list_per_page = 50
    list_disable_select_all = True
    list_before_template = "desk/list_note.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Page by key."""
        return CursorChangeList

    def read_along(self, rows: list[Any]) -> None:
        """Read what a page of rows shows beside them, in a bounded number of queries."""

    def scanned_rows(self, rows: QuerySet[Any], filters: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows a filtered page goes through, of which it reads SCAN_MAX: those an index leads to."""
        webhook = filters.get("webhook__id__exact")
        if webhook and "webhook_id" in {field.attname for field in self.opts.concrete_fields}:
            keys = [key for key in webhook if _key(key) is not None]
            return rows.filter(webhook_id__in=keys)
        return rows
