"""The shapes of tests, statistics and reference data."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from deliveries.api.documents.fields import Pairs

WINDOW = OpenApiParameter(
    "window",
    {"type": "string", "pattern": "^([1-9][0-9]{0,3}m|[1-9][0-9]{0,2}h|[1-9][0-9]?d)$", "default": "24h"},
    description="Minutes, hours or days, ending now.",
)


class Trial(serializers.Serializer[Any]):
    """Which event to send a sample of."""

    event = serializers.CharField(
        required=False, allow_blank=True, max_length=100, help_text="Left out: the first event subscribed to."
    )


class SentDocument(serializers.Serializer[Any]):
    """A request as it left."""

    url = serializers.CharField()
    headers = Pairs()
    body = serializers.CharField()


class AnswerDocument(serializers.Serializer[Any]):
    """What came back."""

    status_code = serializers.IntegerField(allow_null=True)
    headers = Pairs()
    body = serializers.CharField(allow_blank=True)
    body_base64 = serializers.CharField(allow_null=True)
    body_truncated = serializers.BooleanField()


class ExchangeDocument(serializers.Serializer[Any]):
    """A test: what was sent and what came of it."""

    delivered = serializers.BooleanField()
    verdict = serializers.CharField()
    event = serializers.CharField()
    request = SentDocument()
    response = AnswerDocument()
    error = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    remote_address = serializers.CharField(allow_null=True)
    dns_ms = serializers.FloatField(allow_null=True)
    connect_ms = serializers.FloatField(allow_null=True)
    tls_ms = serializers.FloatField(allow_null=True)
    first_byte_ms = serializers.FloatField(allow_null=True)
    total_ms = serializers.FloatField(allow_null=True)


class SourceIpsDocument(serializers.Serializer[Any]):
    """Where deliveries come from."""

    source_ips = serializers.ListField(child=serializers.CharField())


class Figures(serializers.Serializer[Any]):
    """Attempts of a stretch of time; durations are milliseconds."""

    attempts = serializers.IntegerField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    dead = serializers.IntegerField()
    skipped = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True)
    average_ms = serializers.FloatField(allow_null=True)
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)
    p99_ms = serializers.FloatField(allow_null=True)


class Point(Figures):
    """A step of a time series."""

    at = serializers.DateTimeField()


class StatsDocument(Figures):
    """A window ending now."""

    window = serializers.CharField()
    series = Point(many=True)
