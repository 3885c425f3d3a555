"""What the operators of receiving servers ask: where requests come from."""

from __future__ import annotations

from types import SimpleNamespace

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.conf import settings


class SourceIpsSerializer(ApiSerializer):
    """Where deliveries come from."""

    source_ips = eg(serializers.ListField(child=serializers.CharField()), ["203.0.113.10", "203.0.113.11"])


class SourceIps(ApiView):
    """The addresses to let through a firewall."""

    @describe("List source IPs", answer=SourceIpsSerializer)
    def get(self, request: Request) -> Response:
        """Return the addresses that deliveries are sent from, for the firewall before your endpoint.

        The list is empty when the platform's operator named none.
        """
        return self.answer(SourceIpsSerializer(SimpleNamespace(source_ips=list(settings.WEBHOOKS_SOURCE_IPS))).data)
