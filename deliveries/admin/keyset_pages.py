"""Lists that stay quick at any length: pages by key instead of by number, no COUNT(*), and a bound on what is read.

A filter may match one row in a million. Each page reads at most SCAN_MAX rows, shows what it found among them, and
says so; the next page goes on from there.
"""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from deliveries.db import merged_pages, replica
from deliveries.db.merged_pages import MergedRows
from subscriptions.admin import local_times
from subscriptions.admin.own_rows import KEY_DIGITS
from subscriptions.admin.scoping import MerchantScoped, merchants_with, only

NEXT, PREVIOUS = "after", "before"
SCAN_MAX = 50_000
"""Rows that a filtered page reads at most."""


class PageOfRows(Paginator):  # type: ignore[type-arg]
    """Stands in for a paginator: the rows are cut already."""

    template_name = "desk/pages.html"
    count = 0
    num_pages = 1


class CursorChangeList(ChangeList):
    """Rows in the order of their keys; `?after=KEY` and `?before=KEY` lead to the next and the previous page."""

    next_url = previous_url = None
    lead: tuple[str, int] | None = None
    webhooks: MergedRows | None = None
    scanned: int | None = None
    search_reached = ""

    def get_filters_params(self, params: Any = None) -> Any:
        """Leave the cursor out of the filters."""
        return {key: value for key, value in super().get_filters_params(params).items() if key not in {NEXT, PREVIOUS}}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Order by identity: what the indexes and the cursor go by."""
        self.lead = self.model_admin.lead(request, self.filter_params)
        self.merged = None if self.lead else self.model_admin.merged_rows(request, self.filter_params)
        return self._order(descending=self.model_admin.newest_first)

    def _order(self, *, descending: bool) -> list[str]:
        # The leading column holds one value only; it stands here for the index that begins with it.
        is_natural = descending is self.model_admin.newest_first
        lead = [] if self.lead is None else [self.lead[0] if is_natural else "-" + self.lead[0]]
        return [*lead, "-pk" if descending else "pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more to know whether another follows."""
        after, before = (_key(request.GET.get(name)) for name in (NEXT, PREVIOUS))
        if before is None:
            rows, goes_on = self.walk(after, descending=self.model_admin.newest_first, size=self.list_per_page)
            self.next_url = None if goes_on is None else self._url(NEXT, goes_on)
            self.previous_url = None if after is None else self._url(PREVIOUS, rows[0].pk if rows else None)
        else:
            rows, goes_on = self.walk(before, descending=not self.model_admin.newest_first, size=self.list_per_page)
            rows = rows[::-1]
            self.next_url = self._url(NEXT, rows[-1].pk if rows else None)
            self.previous_url = None if goes_on is None else self._url(PREVIOUS, goes_on)
        self.search_reached = local_times.moment(getattr(request, "desk_search_reached", None), never="")
        self.result_list = rows
        self.model_admin.read_along(rows, self.list_display)
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = bool(rows)
        self.paginator = PageOfRows(rows, self.list_per_page)

    def walk(
        self, start: int | None, *, descending: bool, size: int, seconds: float | None = None
    ) -> tuple[list[Any], int | None]:
        """Return `size` rows past `start` in this direction, and the key the walk goes on from, if it does.

        Fewer rows, or none, may come back though it goes on: then SCAN_MAX rows were read, and no more of them match.
        A replica is read where there is one. `seconds`: what a statement may take, where a page's have less.
        """
        rows, goes_on = replica.read(lambda alias: self._walk(alias, start, descending=descending, size=size), seconds)
        replica.settle(rows)
        return rows, goes_on

    def _walk(self, alias: str, start: int | None, *, descending: bool, size: int) -> tuple[list[Any], int | None]:
        order = self._order(descending=descending)
        rows = self.queryset.using(alias)
        everything = self.model_admin.scanned_rows(self.root_queryset.using(alias), self.filter_params)
        past, not_beyond = ("pk__lt", "pk__gte") if descending else ("pk__gt", "pk__lte")
        if start is not None:
            rows, everything = rows.filter(**{past: start}), everything.filter(**{past: start})
        end = None
        if self.has_active_filters or self.query:
            if self.merged is None:
                end = everything.order_by(*order).values_list("pk", flat=True)[SCAN_MAX - 1 : SCAN_MAX].first()
            else:
                end = merged_pages.depth(everything, self.merged, descending=descending, rows_max=SCAN_MAX)
            rows = rows if end is None else self._between(rows, {not_beyond: end})
        if self.merged is not None:
            rows = rows.filter(pk__in=merged_pages.first(rows, self.merged, descending=descending, limit=size + 1))
        found = list(rows.order_by(*order)[: size + 1])
        if len(found) > size:
            return found[:size], found[size - 1].pk
        if end is not None:
            self.scanned = SCAN_MAX
        return found, end

    def _between(self, rows: QuerySet[Any], bound: dict[str, int]) -> QuerySet[Any]:
        # With both ends known, equality lets PostgreSQL go straight to them in the index of the leading column.
        return rows.filter(**bound, **({} if self.lead is None else dict([self.lead])))

    def _url(self, name: str, key: int | None) -> str:
        """Return the address of the page past `key`; of the first page where there is no key to go by."""
        return self.get_query_string({} if key is None else {name: key}, [NEXT, PREVIOUS])


def _key(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= KEY_DIGITS else None


class CursorAdmin(MerchantScoped):
    """A scoped ModelAdmin over a table that grows for ever: cursor pages, no sorting by columns, nothing to edit."""

    sortable_by = ()
    list_parameters = frozenset({NEXT, PREVIOUS})
    newest_first = True
    list_per_page = 50
    list_disable_select_all = True
    list_before_template = "desk/list_note.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Page by key."""
        return CursorChangeList

    def read_along(self, rows: list[Any], columns: list[str]) -> None:
        """Read what a page of rows shows beside them in these columns, in a bounded number of queries."""

    def lead(self, request: HttpRequest, filters: dict[str, Any]) -> tuple[str, int] | None:
        """Return the column that all rows of the list share and an index begins with, and its value; None without."""
        columns = {field.attname for field in self.opts.concrete_fields}
        for name in ("webhook", "merchant"):
            key = _chosen(filters, name)
            if key is not None and f"{name}_id" in columns:
                return f"{name}_id", key
        keys = merchants_with(request)
        is_one = keys is not None and len(keys) == 1 and self.merchant_path == "merchant_id"
        return ("merchant_id", keys[0]) if keys and is_one else None

    def merged_rows(self, request: HttpRequest, filters: dict[str, Any]) -> MergedRows | None:
        """Return the webhooks that the list's rows are of, where an index leads to each but not to all; None else."""
        keys = merchants_with(request)
        is_own = keys and self.merchant_path == "merchant_id"
        return MergedRows("merchant_id", keys, newest_first=self.newest_first) if keys and is_own else None

    def scanned_rows(self, rows: QuerySet[Any], filters: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows a filtered page goes through, of which it reads SCAN_MAX: those an index leads to."""
        for name in ("webhook", "merchant"):
            key = _chosen(filters, name)
            if key is not None and f"{name}_id" in {field.attname for field in self.opts.concrete_fields}:
                return only(rows, f"{name}_id", key)
        return rows


def _chosen(filters: dict[str, Any], name: str) -> int | None:
    values = filters.get(f"{name}__id__exact") or []
    return _key(values[0]) if values else None
