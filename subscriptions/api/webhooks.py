"""The webhooks of a merchant: create, read, change, delete, and the switches beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import selectors, services, webhook_rules
from subscriptions.api import documents, lookups, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.filters import WebhookFilter, filtered
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import Merchant, Subscription, Webhook
from subscriptions.services.secrets import OVERLAP_MAX
from subscriptions.validators.settings import CLEANERS

SETTINGS: Final = frozenset({*CLEANERS, "events"})
CHANGEABLE: Final = SETTINGS - {"secret"}

_PLAIN: Final = (
    "name",
    "url",
    "dialect",
    "is_enabled",
    "disabled_reason",
    "headers",
    "retry_policy",
    "timeout",
    "max_in_flight",
    "rate_limit",
    "expire_after",
    "filter",
    "fields",
    "body_style",
    "api_version",
    "paused_at",
    "paused_by",
    "created_at",
    "updated_at",
)


def webhooks_of(merchant: Merchant) -> QuerySet[Webhook]:
    """Return the merchant's webhooks with what `represent` reads."""
    live = Subscription.objects.filter(ended_at=None)
    return merchant.webhooks.alive().prefetch_related(Prefetch("subscriptions", live))


def represent(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook as the API shows it: without its secret."""
    shown = {name: getattr(webhook, name) for name in _PLAIN}
    ordering = webhook.ordering or "none"
    return {"id": webhook.public_id, "events": selectors.patterns_of(webhook), **shown, "ordering": ordering}


def warnings(webhook: Webhook) -> dict[str, Any]:
    """Return what stands beside a lone webhook. Not of its ETag: it changes with the catalogue and the events."""
    return {"warnings": webhook_rules.rules().warnings(webhook)}


def fresh(webhook: Webhook) -> Webhook:
    """Read the webhook again, with its subscriptions as they are now."""
    return webhooks_of(webhook.merchant).get(pk=webhook.pk)


class WebhookList(ApiView):
    """All webhooks."""

    query = (*PARAMETERS, *WebhookFilter.base_filters)

    @describe("List webhooks", responses={200: documents.WebhookDocument(many=True)}, pages=True, filters=WebhookFilter)
    def get(self, request: Request) -> Response:
        """Return a page, the newest first."""
        return self.pages(filtered(WebhookFilter, request, webhooks_of(self.merchant)), represent)

    @describe(
        "Create a webhook",
        request=documents.NewWebhookSettings(),
        required=("url", "events"),
        responses={201: documents.NewWebhookDocument},
    )
    def post(self, request: Request) -> Response:
        """Create one and show its secret, this once."""
        settings = lookups.members(request.data, known=SETTINGS, required=("url", "events"))
        made = services.create_webhook(merchant=self.merchant, **settings)
        webhook = fresh(made.webhook)
        data = represent(webhook) | warnings(webhook) | {"secret": made.secret}
        return Response(data, status.HTTP_201_CREATED, headers={"Location": f"{request.path}/{made.webhook.public_id}"})


class WebhookDetail(ApiView):
    """One webhook."""

    @describe("Read a webhook", responses={200: documents.WebhookDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it with its ETag."""
        webhook = lookups.one(webhooks_of(self.merchant), id)
        return self.answer(represent(webhook), beside=warnings(webhook))

    @describe(
        "Change a webhook",
        request=documents.WebhookSettings(),
        required=(),
        responses={200: documents.WebhookDocument},
        etag=True,
    )
    def patch(self, request: Request, id: str) -> Response:
        """Change the settings given. With If-Match, only when nobody changed it in between."""
        changes = lookups.members(request.data, known=CHANGEABLE)
        with transaction.atomic():
            webhook = self._locked(id)
            services.update_webhook(webhook=webhook, **changes)
        webhook = fresh(webhook)
        data = represent(webhook)
        return Response(data | warnings(webhook), headers={"ETag": shaping.etag_of(data)})

    @describe("Delete a webhook", responses={204: None}, etag=True)
    def delete(self, request: Request, id: str) -> Response:
        """Delete it: open deliveries are cancelled, the log stays."""
        with transaction.atomic():
            services.delete_webhook(webhook=self._locked(id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _locked(self, public_id: str) -> Webhook:
        """Return the webhook, locked until the transaction ends, if it is as the caller's If-Match says."""
        webhook = lookups.one(webhooks_of(self.merchant).select_for_update(no_key=True, of=("self",)), public_id)
        shaping.check_match(self.request, represent(webhook))
        return webhook


class WebhookPause(ApiView):
    """The pause of a webhook."""

    @describe("Pause a webhook", request=None, responses={200: documents.WebhookDocument})
    def post(self, request: Request, id: str) -> Response:
        """Hold its deliveries until it is resumed."""
        lookups.members(request.data, known=())
        webhook = lookups.one(webhooks_of(self.merchant), id)
        services.pause(webhook=webhook, by=self.credential.by)
        return Response(represent(fresh(webhook)))


class WebhookResume(ApiView):
    """The end of a pause."""

    @describe("Resume a webhook", request=None, responses={200: documents.WebhookDocument})
    def post(self, request: Request, id: str) -> Response:
        """Send what was held."""
        lookups.members(request.data, known=())
        webhook = lookups.one(webhooks_of(self.merchant), id)
        services.resume(webhook=webhook, by=self.credential.by)
        return Response(represent(fresh(webhook)))


class WebhookSecret(ApiView):
    """The rotation of a webhook's secret."""

    @describe("Rotate the secret", request=documents.Rotation, responses={200: documents.RotatedSecret})
    def post(self, request: Request, id: str) -> Response:
        """Give it a new secret, shown this once; the old one goes on signing until the overlap ends."""
        webhook = lookups.one(webhooks_of(self.merchant), id)
        body = lookups.members(request.data, known=("secret", "overlap"))
        seconds = lookups.number(body, "overlap", low=0, high=OVERLAP_MAX.total_seconds())
        text = services.rotate_secret(
            webhook=webhook,
            secret=lookups.text(body, "secret", limit=256) or None,
            overlap=None if seconds is None else timedelta(seconds=seconds),
        )
        old = selectors.active_secrets().filter(webhook=webhook).exclude(expires_at=None).defer("value").last()
        return Response({"id": webhook.public_id, "secret": text, "old_secret_expires_at": old and old.expires_at})
