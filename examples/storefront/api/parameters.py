"""What Alva's requests may say: pages by number, filters, and the bounds of download links."""

from __future__ import annotations

from typing import Final

from django.db.models import Exists, OuterRef, QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from examples.storefront.models import File
from subscriptions.api.errors import InvalidQuery
from subscriptions.api.pagination import PAGE_DEFAULT, PAGE_MAX
from subscriptions.filters import FlagFilter, MomentFilter

PAGE_NUMBER_MAX: Final = 1_000_000
LINK_DAYS: Final = 7
LINK_LIMIT: Final = 3
"""What a link gets when the request doesn't say: the document's example."""
DAYS_MAX: Final = 3650
LIMIT_MAX: Final = 1_000_000

PAGES: Final = [
    OpenApiParameter("page", {"type": "integer", "minimum": 1, "maximum": PAGE_NUMBER_MAX, "default": 1}),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
        description="Files a page.",
    ),
]


class FileFilter(FilterSet):
    """Selects files."""

    tags = filters.CharFilter(
        method="by_tags", help_text="Only those with at least one of these tags, separated by commas."
    )
    unmapped = FlagFilter(method="by_mapping", help_text="Only those that no product has (true), or that some has.")
    created_at_min = MomentFilter("created_at", "gte", help_text="Added then or later.")
    updated_at_min = MomentFilter("updated_at", "gte", help_text="Changed then or later.")

    class Meta:
        model = File
        fields: list[str] = []

    def by_tags(self, rows: QuerySet[File], name: str, value: str) -> QuerySet[File]:
        """Keep those with one of the tags."""
        tags = [tag.strip() for tag in value.split(",") if tag.strip()]
        return rows.filter(tags__any_of=tags)

    def by_mapping(self, rows: QuerySet[File], name: str, value: bool) -> QuerySet[File]:
        """Keep those without a product, or those with one."""
        mapped = Exists(File.products.through.objects.filter(file=OuterRef("pk")))
        return rows.filter(~mapped if value else mapped)


def number_of(request: Request, name: str, *, default: int, maximum: int) -> int:
    """Return a whole number of the query, from 1. Raises InvalidQuery (400)."""
    raw = request.query_params.get(name, str(default))
    if not (raw.isascii() and raw.isdigit() and len(raw) < 10 and 1 <= int(raw) <= maximum):
        raise InvalidQuery({name: [f"Give a whole number from 1 to {maximum}."]})
    return int(raw)
