"""The shapes of Alva's resources, for the OpenAPI document, with the document's own examples."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from examples.storefront.api.parameters import DAYS_MAX, LIMIT_MAX, LINK_DAYS, LINK_LIMIT
from subscriptions.api import examples


class FileDocument(serializers.Serializer[Any]):
    """A file of the library."""

    id = serializers.CharField()
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    upload_date = serializers.DateField()
    products = serializers.ListField(child=serializers.CharField(), help_text="Ids of the products that sell it.")
    tags = serializers.ListField(child=serializers.CharField())
    downloads = serializers.IntegerField(help_text="How often it was fetched, by whatever link.")


class FilesDocument(serializers.Serializer[Any]):
    """A page of files."""

    files = FileDocument(many=True)
    total = serializers.IntegerField(help_text="Files in all pages.")
    page = serializers.IntegerField()
    pages = serializers.IntegerField()


class LinkRequest(serializers.Serializer[Any]):
    """Who may fetch what, how often, and until when."""

    file_id = serializers.CharField(max_length=64)
    customer_email = serializers.EmailField()
    expiry_days = serializers.IntegerField(min_value=1, max_value=DAYS_MAX, required=False, default=LINK_DAYS)
    download_limit = serializers.IntegerField(min_value=1, max_value=LIMIT_MAX, required=False, default=LINK_LIMIT)


class LinkDocument(serializers.Serializer[Any]):
    """A download link."""

    download_url = serializers.URLField()
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    download_limit = serializers.IntegerField()


_FILE = {
    "id": "file_abc123",
    "filename": "Chapter-1.pdf",
    "size": 2500000,
    "upload_date": "2024-01-15",
    "products": ["prod_123"],
    "tags": ["course", "chapter1"],
    "downloads": 145,
}
examples.register(
    {
        "list_files": {"response": {"files": [_FILE], "total": 247, "page": 1, "pages": 5}},
        "read_a_file": {"response": _FILE},
        "create_a_download_link": {
            "request": {
                "file_id": "file_abc123",
                "customer_email": "customer@example.com",
                "expiry_days": 7,
                "download_limit": 3,
            },
            "response": {
                "download_url": "https://yourshop.com/download?key=abc123def456",
                "token": "abc123def456",
                "expires_at": "2024-01-22T15:30:00Z",
                "download_limit": 3,
            },
        },
    }
)
