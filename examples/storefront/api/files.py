"""The merchant's files."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from examples.storefront import payloads
from examples.storefront.api import documents
from examples.storefront.api.parameters import PAGE_NUMBER_MAX, PAGES, FileFilter, number_of
from examples.storefront.models import File
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.filters import filtered
from subscriptions.api.pagination import PAGE_DEFAULT, PAGE_MAX
from subscriptions.models import Merchant


def files_of(merchant: Merchant) -> QuerySet[File]:
    """Return the merchant's files, the oldest first: pages by number keep their place while files are added."""
    return File.objects.filter(merchant=merchant).order_by("pk")


def represent(rows: QuerySet[File]) -> list[dict[str, Any]]:
    """Return files as the document has them, with their downloads counted in the same query."""
    counted = rows.annotate(downloads=Coalesce(Sum("links__count"), 0)).prefetch_related("products")
    return [payloads.file(row, downloads=row.downloads) for row in counted]


class FileList(ApiView):
    """A merchant's files."""

    query = ("page", "limit", *FileFilter.base_filters)

    @extend_schema(tags=["alva"])
    @describe("List files", responses={200: documents.FilesDocument}, filters=FileFilter, parameters=PAGES)
    def get(self, request: Request) -> Response:
        """Return a page, the oldest first. A page past the last is empty."""
        page = number_of(request, "page", default=1, maximum=PAGE_NUMBER_MAX)
        limit = number_of(request, "limit", default=PAGE_DEFAULT, maximum=PAGE_MAX)
        rows = filtered(FileFilter, request, files_of(self.merchant))
        total = rows.count()
        start = (page - 1) * limit
        return self.answer(
            {
                "files": represent(rows[start : start + limit]),
                "total": total,
                "page": page,
                "pages": -(-total // limit),
            }
        )


class FileDetail(ApiView):
    """One of a merchant's files."""

    @extend_schema(tags=["alva"])
    @describe("Read a file", responses={200: documents.FileDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it."""
        return self.answer(payloads.file(lookups.one(files_of(self.merchant), id)))
