"""Makes download links over Alva's API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from examples.storefront import payloads, services
from examples.storefront.api.files import files_of
from examples.storefront.api.parameters import DAYS_MAX, LIMIT_MAX, LINK_DAYS, LINK_LIMIT
from examples.storefront.models import Download
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import ApiSerializer, Email, Text, Whole, eg
from subscriptions.ids import CALLER_ID


class NewLinkSerializer(ApiSerializer):
    """Who may fetch what, how often, and until when."""

    file_id = eg(Text(max_length=64), "file_abc123")
    customer_email = eg(Email(max_length=254), "customer@example.com")
    expiry_days = eg(Whole(min_value=1, max_value=DAYS_MAX, default=LINK_DAYS), 7)
    download_limit = eg(Whole(min_value=1, max_value=LIMIT_MAX, default=LINK_LIMIT), 3)


class LinkSerializer(ApiSerializer):
    """A download link."""

    download_url = eg(serializers.URLField(source="url"), "https://yourshop.com/download?key=abc123def456")
    token = eg(serializers.CharField(), "abc123def456")
    expires_at = eg(serializers.DateTimeField(), "2024-01-22T15:30:00Z")
    download_limit = eg(serializers.IntegerField(source="limit"), 3)

    def show_expires_at(self, link: Download) -> str | None:
        """Return the moment in whole seconds, as Alva's document writes it."""
        return payloads.when(link.expires_at)


class DownloadLinks(ApiView):
    """Links by which customers fetch files."""

    @extend_schema(tags=["alva"])
    @describe("Create a download link", body=NewLinkSerializer, answer=LinkSerializer, codes=(201,))
    def post(self, request: Request) -> Response:
        """Make a link by which a customer fetches a file so many times until a day.

        It is published as the event `download.created`, and each use of it as `download.accessed`. 422 when the file is
        not the merchant's.
        """
        body = self.body(NewLinkSerializer)
        file_id = body["file_id"]
        file = files_of(self.merchant).filter(public_id=file_id).first() if CALLER_ID.fullmatch(file_id) else None
        if file is None:
            raise ValidationError({"file_id": [f"There is no file {file_id!r} here. GET /api/files lists them."]})
        link = services.generate_download(
            merchant=self.merchant,
            file=file,
            customer_email=body["customer_email"],
            days=body["expiry_days"],
            limit=body["download_limit"],
            site=request.build_absolute_uri("/").rstrip("/"),
        )
        return Response(LinkSerializer(link).data, status.HTTP_201_CREATED)
