"""What receivers' operators ask: where requests come from."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe


class SourceIps(ApiView):
    """The addresses to let through a firewall."""

    @describe("List source IPs", responses={200: documents.SourceIpsDocument})
    def get(self, request: Request) -> Response:
        """Return the addresses that deliveries come from; an empty list when the operator named none."""
        return self.answer({"source_ips": list(settings.WEBHOOKS_SOURCE_IPS)})
