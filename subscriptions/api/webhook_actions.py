"""What can be done with a webhook beside changing its settings: pause and resume it, rotate its secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import selectors, services
from subscriptions.api import formats, lookups, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import EXAMPLE_MOMENT, ApiSerializer, Number, eg
from subscriptions.api.webhook_shapes import WebhookSerializer
from subscriptions.api.webhooks import fresh, webhooks_of
from subscriptions.models import Webhook
from subscriptions.services.secrets import OVERLAP_MAX
from subscriptions.services.secrets import shown as shown_secret


class RotationSerializer(ApiSerializer):
    """A new secret: given or made, and for how long the old one stays."""

    secret = formats.CheckedSecret(required=False, max_length=256, help_text="Left out, one is made.")
    signature = formats.Signature(allow_null=True)
    overlap = eg(
        Number(
            required=False,
            allow_null=True,
            min_value=0,
            max_value=OVERLAP_MAX.total_seconds(),
            help_text="Seconds; 0 ends the old at once.",
        ),
        86400,
    )


class RotatedSecretSerializer(ApiSerializer):
    """The new secret: shown this once."""

    id = eg(serializers.CharField(help_text="The webhook's id."), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    secret = eg(
        serializers.CharField(allow_blank=True, help_text="Empty where it is a private key."), "Zk8x2PqT7vWm4RbN9cLd"
    )
    public_key = eg(
        serializers.CharField(allow_blank=True, help_text="What verifies its signatures; empty of a shared secret."), ""
    )
    old_secret_expires_at = eg(
        serializers.DateTimeField(allow_null=True, help_text="Null: the old secret has ended."), "2024-01-16T15:30:00Z"
    )


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """What a rotation answers."""

    id: str
    secret: str
    public_key: str
    old_secret_expires_at: datetime | None


def shown(webhook: Webhook) -> Any:
    """Return what a webhook's ETag stands for."""
    return WebhookSerializer(webhook).data


def tagged(webhook: Webhook) -> Response:
    """Return the answer with a webhook as it is now."""
    data = shown(fresh(webhook))
    return Response(data, headers={"ETag": shaping.etag_of(data)})


class WebhookPause(ApiView):
    """The pause of a webhook."""

    @describe(
        "Pause a webhook",
        answer=WebhookSerializer,
        etag=True,
        shown={"paused_at": EXAMPLE_MOMENT, "paused_by": "API key ak_live_3hWq9ZpT…"},
    )
    def post(self, request: Request, id: str) -> Response:
        """Hold a webhook's deliveries until it is resumed.

        Events go on being accepted and their deliveries wait, with none of their attempts used; one that is being sent
        is finished. Pausing a paused webhook changes nothing. With If-Match, only while it is as it was read: else 412.
        """
        self.body()
        with self.as_read(webhooks_of(self.merchant), id, shown) as webhook:
            services.pause(webhook=webhook, by=self.credential.by)
        return tagged(webhook)


class WebhookResume(ApiView):
    """The end of a pause."""

    @describe("Resume a webhook", answer=WebhookSerializer, etag=True)
    def post(self, request: Request, id: str) -> Response:
        """End a webhook's pause and send what was held, within its limits of rate and requests at once.

        Resuming a webhook that is not paused changes nothing. With If-Match, only while it is as it was read: else 412.
        """
        self.body()
        with self.as_read(webhooks_of(self.merchant), id, shown) as webhook:
            services.resume(webhook=webhook, by=self.credential.by)
        return tagged(webhook)


class WebhookSecret(ApiView):
    """The rotation of a webhook's secret."""

    @describe("Rotate the secret", body=RotationSerializer, answer=RotatedSecretSerializer, etag=True)
    def post(self, request: Request, id: str) -> Response:
        """Give a webhook a new secret, shown this once; the old one goes on signing until the overlap ends.

        During the overlap, dialects that can send several signatures sign with both secrets, the others with the old
        one. `signature` changes from a shared secret to a key pair, or back. Without `overlap` it is the platform's
        default; at most 30 days. 422 when the secret doesn't fit the webhook's dialect. With If-Match, only while the
        webhook is as it was read: else 412.
        """
        lookups.one(webhooks_of(self.merchant), id)  # 404 before 422
        body = self.body(RotationSerializer)
        seconds = body.get("overlap")
        with self.as_read(webhooks_of(self.merchant), id, shown) as webhook:
            text = services.rotate_secret(
                webhook=webhook,
                secret=body.get("secret") or None,
                overlap=None if seconds is None else timedelta(seconds=seconds),
                signature=body.get("signature"),
            )
        old = selectors.active_secrets().filter(webhook=webhook).exclude(expires_at=None).defer("value").last()
        rotated = RotatedSecret(webhook.public_id, *shown_secret(text), old.expires_at if old else None)
        return Response(RotatedSecretSerializer(rotated).data)
