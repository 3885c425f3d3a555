"""Making download links."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from examples.storefront import payloads, services
from examples.storefront.api import documents
from examples.storefront.api.files import files_of
from examples.storefront.api.parameters import DAYS_MAX, LIMIT_MAX, LINK_DAYS, LINK_LIMIT, whole
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.ids import CALLER_ID

MEMBERS = ("file_id", "customer_email", "expiry_days", "download_limit")


class DownloadLinks(ApiView):
    """Links by which customers fetch files."""

    @extend_schema(tags=["alva"])
    @describe("Create a download link", request=documents.LinkRequest, responses={201: documents.LinkDocument})
    def post(self, request: Request) -> Response:
        """Make a link. It is told as `download.created`, and each use of it as `download.accessed`."""
        body = lookups.members(request.data, known=MEMBERS, required=("file_id", "customer_email"))
        file_id = lookups.text(body, "file_id", limit=64)
        file = files_of(self.merchant).filter(public_id=file_id).first() if CALLER_ID.fullmatch(file_id) else None
        if file is None:
            raise ValidationError({"file_id": [f"There is no file {file_id!r} here. GET /api/files lists them."]})
        link = services.generate_download(
            merchant=self.merchant,
            file=file,
            customer_email=lookups.text(body, "customer_email", limit=254),
            days=whole(body, "expiry_days", default=LINK_DAYS, maximum=DAYS_MAX),
            limit=whole(body, "download_limit", default=LINK_LIMIT, maximum=LIMIT_MAX),
            site=request.build_absolute_uri("/").rstrip("/"),
        )
        answer = {
            "download_url": link.url,
            "token": link.token,
            "expires_at": payloads.when(link.expires_at),
            "download_limit": link.limit,
        }
        return Response(answer, status.HTTP_201_CREATED)
