"""Attempts as the API shows them: any bytes that came back survive."""

from __future__ import annotations

import base64
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deliveries.models import Attempt
from deliveries.sending.masking import without_custom
from subscriptions.api.serializers import ApiSerializer, eg


@extend_schema_field(
    {"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}}
)
class Pairs(serializers.JSONField):
    """Headers as pairs, since a name may stand twice."""


class AttemptSerializer(ApiSerializer):
    """One request and what came back."""

    id = eg(serializers.CharField(source="public_id"), "att_01HA4XCG7A3C5E7G9J1L3N5Q7S")
    number = eg(serializers.IntegerField(), 1)
    result = eg(serializers.ChoiceField(choices=Attempt.Result.values), "failed")
    started_at = serializers.DateTimeField()
    answered_at = eg(serializers.DateTimeField(allow_null=True), "2024-01-15T15:30:00.087200Z")
    status_code = eg(serializers.IntegerField(allow_null=True), 500)
    error = eg(serializers.CharField(allow_blank=True), "http_error")
    detail = eg(
        serializers.CharField(allow_blank=True, help_text="What happened, in a sentence."),
        "Your endpoint answered 500.",
    )
    decision = eg(
        serializers.CharField(allow_blank=True, help_text="What follows from it, and why."), "Retry 1 of 3 in 5 s."
    )
    next_at = eg(serializers.DateTimeField(allow_null=True), "2024-01-15T15:30:05Z")
    url = eg(serializers.CharField(), "https://accounting.example.com/hooks/orders")
    request_size = eg(serializers.IntegerField(help_text="Bytes."), 212)
    request_digest = eg(
        serializers.CharField(source="digest", allow_blank=True, help_text="SHA-256 of the body as sent, in hex."),
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    )
    response_size = eg(serializers.IntegerField(help_text="Bytes that came, of which the log keeps the first."), 21)
    response_truncated = serializers.BooleanField()
    lateness_ms = eg(serializers.FloatField(allow_null=True, help_text="Milliseconds after it was due."), 6.1)
    dns_ms = eg(serializers.FloatField(allow_null=True), 1.9)
    connect_ms = eg(serializers.FloatField(allow_null=True), 12.0)
    tls_ms = eg(serializers.FloatField(allow_null=True), 25.3)
    first_byte_ms = eg(serializers.FloatField(allow_null=True), 86.4)
    total_ms = eg(serializers.FloatField(allow_null=True), 87.2)
    remote_address = eg(serializers.CharField(allow_blank=True), "203.0.113.7")
    reused_connection = serializers.BooleanField()
    request_headers = eg(
        Pairs(help_text="Secrets are masked, and without the scope `manage` custom headers, too."),
        [["webhook-id", "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A"], ["Content-Type", "application/json"]],
    )
    response_headers = eg(Pairs(), [["Content-Type", "text/plain"]])
    response_body = eg(
        serializers.CharField(allow_blank=True, help_text="U+FFFD for bytes that aren't UTF-8."),
        "Internal Server Error",
    )
    response_body_base64 = serializers.CharField(allow_null=True, help_text="The bytes, when they aren't UTF-8.")

    def show_detail(self, attempt: Attempt) -> str:
        """Return what happened, in a sentence."""
        return attempt.what_happened

    def show_request_headers(self, attempt: Attempt) -> Any:
        """Return the headers as they were sent; custom ones masked for those who may not change the webhook."""
        pairs = attempt.sent_headers
        return pairs if self.context.get("manages") else without_custom(pairs)

    def show_response_headers(self, attempt: Attempt) -> Any:
        """Return the headers that came back."""
        return attempt.answer_headers

    def show_response_body(self, attempt: Attempt) -> str:
        """Return what was kept of the body, as text."""
        return text_of(bytes(attempt.response_body))

    def show_response_body_base64(self, attempt: Attempt) -> str | None:
        """Return it in base64 where text would lose something."""
        return base64_of(bytes(attempt.response_body))


def text_of(body: bytes) -> str:
    """Return a body as text, with U+FFFD for bytes that aren't UTF-8."""
    return body.decode("utf-8", "replace")


def base64_of(body: bytes) -> str | None:
    """Return a body in base64 where it isn't UTF-8, else None."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()
    return None
