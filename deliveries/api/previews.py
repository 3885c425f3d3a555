"""`POST webhooks/{id}/preview`: what a filter, fields and a transformation would do, with nothing saved or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.queueing.webhook_settings import settings_of
from deliveries.sending import previews, webhook_advice
from deliveries.sending.previews import Preview
from subscriptions import selectors, validators
from subscriptions.api import formats, lookups, webhooks
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.validators.settings import FIELD_MAX, FIELDS_MAX, FILTER_MAX, TRANSFORM_MAX


class TrySerializer(ApiSerializer):
    """Settings to try; what is left out is taken from the webhook."""

    null_means_empty = frozenset({"filter", "fields", "transform"})

    filter = serializers.CharField(max_length=FILTER_MAX, allow_blank=True, required=False)
    fields = serializers.ListField(  # type: ignore[assignment]
        child=formats.Line(max_length=FIELD_MAX), max_length=FIELDS_MAX, required=False
    )
    transform = eg(
        serializers.CharField(max_length=TRANSFORM_MAX, allow_blank=True, required=False),
        "{text: join(' ', [event, data.order.name])}",
    )


class PreviewSerializer(ApiSerializer):
    """What would become of an event."""

    event = eg(serializers.CharField(source="sample.event"), "order.created")
    event_id = eg(
        serializers.CharField(
            source="sample.public_id", allow_blank=True, help_text="Empty: it is the catalogue's example."
        ),
        "evt_01HA4XCG60CT4G3EWF4CKYM1MF",
    )
    is_sent = eg(serializers.BooleanField(), True)
    reason = serializers.CharField(allow_blank=True, help_text="Why nothing would be sent; empty where it would.")
    body = eg(
        serializers.CharField(allow_blank=True, help_text="The exact body; empty where nothing would be sent."),
        '{"text":"order.created #1001"}',
    )


class PreviewsSerializer(ApiSerializer):
    """What would become of examples and of the last events."""

    previews = PreviewSerializer(many=True)


@dataclass(frozen=True, slots=True)
class Previews:
    """The answer."""

    previews: list[Preview]


class WebhookPreview(ApiView):
    """A preview of settings."""

    only_reads = True

    @describe("Preview messages", body=TrySerializer, answer=PreviewsSerializer)
    def post(self, request: Request, id: str) -> Response:
        """Try a filter, chosen fields and a transformation on the catalogue's examples and the last events.

        Of the events that the webhook listens to: at most five examples and the five newest of the merchant's. Nothing
        is saved and nothing sent; settings left out are the webhook's own. 422 for those that a webhook can't have. The
        key needs the scope `read` beside `manage`.
        """
        if "read" not in self.credential.scopes:  # it shows what events hold
            raise PermissionDenied('This needs the scope "read" beside "manage".', code="missing_scope")
        webhook = lookups.one(webhooks.webhooks_of(self.merchant).select_related("merchant"), id)
        given: dict[str, Any] = self.body(TrySerializer)
        for name, value in validators.clean_webhook(given, dialect=webhook.dialect, present=webhook).items():
            setattr(webhook, name, value)
        secrets = selectors.signing_secrets([webhook.pk])[webhook.pk]
        samples = webhook_advice.samples_of(webhook)
        found = previews.previews(settings_of(webhook, secrets), webhook.filter, samples)
        return Response(PreviewsSerializer(Previews(found)).data)
