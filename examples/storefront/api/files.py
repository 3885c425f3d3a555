"""The merchant's files over Alva's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from examples.storefront.api.parameters import PAGE_NUMBER_MAX, PAGES, FileFilter, number_of
from examples.storefront.models import File
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PAGE_DEFAULT, PAGE_MAX
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.models import Merchant


class FileSerializer(ApiSerializer):
    """A file of the library."""

    id = eg(serializers.CharField(source="public_id"), "file_abc123")
    filename = eg(serializers.CharField(), "Chapter-1.pdf")
    size = eg(serializers.IntegerField(help_text="Bytes."), 2500000)
    upload_date = eg(serializers.DateField(), "2024-01-15")
    products = eg(
        serializers.ListField(child=serializers.CharField(), help_text="Ids of the products that sell it."),
        ["prod_123"],
    )
    tags = eg(serializers.ListField(child=serializers.CharField()), ["course", "chapter1"])
    downloads = eg(serializers.IntegerField(help_text="How often it was fetched, by whatever link."), 145)

    def show_products(self, file: File) -> list[str]:
        """Return the products' ids."""
        return [product.public_id for product in file.products.all()]


class FilesSerializer(ApiSerializer):
    """A page of files."""

    files = FileSerializer(many=True)
    total = eg(serializers.IntegerField(help_text="Files in all pages."), 247)
    page = eg(serializers.IntegerField(), 1)
    pages = eg(serializers.IntegerField(), 5)


@dataclass(frozen=True, slots=True)
class Files:
    """A page of files and where it stands."""

    files: QuerySet[Any]
    total: int
    page: int
    pages: int


def files_of(merchant: Merchant) -> QuerySet[File]:
    """Return the merchant's files, the oldest first: pages by number keep their place while files are added."""
    return File.objects.filter(merchant=merchant).order_by("pk")


def counted(rows: QuerySet[File]) -> QuerySet[Any]:
    """Return files with what FileSerializer reads: their downloads are counted in the same query."""
    return rows.annotate(downloads=Coalesce(Sum("links__count"), 0)).prefetch_related("products")


class FileList(ApiView):
    """A merchant's files."""

    query = ("page", "limit", *FileFilter.base_filters)

    @extend_schema(tags=["alva"])
    @describe("List files", answer=FilesSerializer, filterset=FileFilter, parameters=PAGES)
    def get(self, request: Request) -> Response:
        """Return the files of the merchant's library, the oldest first, in numbered pages.

        A page past the last is empty.
        """
        page = number_of(request, "page", default=1, maximum=PAGE_NUMBER_MAX)
        limit = number_of(request, "limit", default=PAGE_DEFAULT, maximum=PAGE_MAX)
        rows = self.filtered(FileFilter, files_of(self.merchant))
        total = rows.count()
        start = (page - 1) * limit
        found = Files(counted(rows[start : start + limit]), total, page, pages=-(-total // limit))
        return self.answer(FilesSerializer(found).data)


class FileDetail(ApiView):
    """One of a merchant's files."""

    @extend_schema(tags=["alva"])
    @describe("Read a file", answer=FileSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return a file's name, size and tags, the products that sell it, and how often it was downloaded."""
        return self.answer(FileSerializer(lookups.one(counted(files_of(self.merchant)), id)).data)
