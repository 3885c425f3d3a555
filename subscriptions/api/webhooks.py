"""Webhooks over the API: create, list, read, change and delete them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import selectors, services, webhook_rules
from subscriptions.api import lookups, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.webhook_shapes import (
    NewWebhookSerializer,
    WebhookDetailSerializer,
    WebhookSerializer,
    shape_for,
)
from subscriptions.filters import FlagFilter, MomentFilter, no_such_event
from subscriptions.models import Merchant, Subscription, Webhook


class WebhookFilter(FilterSet):
    """Selects webhooks."""

    is_enabled = FlagFilter(help_text="Only those that are enabled, or that aren't.")
    event = filters.CharFilter(method="by_event", help_text="Only those with exactly this name or pattern.")
    created_at_min = MomentFilter("created_at", "gte", help_text="Created then or later.")
    updated_at_min = MomentFilter("updated_at", "gte", help_text="Changed then or later.")

    class Meta:
        model = Webhook
        fields: list[str] = []

    def by_event(self, rows: QuerySet[Webhook], name: str, value: str) -> QuerySet[Webhook]:
        """Keep those that subscribe to exactly this. Raises ValidationError for what nothing can subscribe to."""
        found = rows.filter(Q(subscriptions__pattern=value, subscriptions__ended_at=None)).distinct()
        if selectors.patterns_without_events([value]) and not found.exists():
            raise ValidationError({name: [no_such_event(value)]})
        return found


def webhooks_of(merchant: Merchant) -> QuerySet[Webhook]:
    """Return the merchant's webhooks with what WebhookSerializer reads."""
    live = Subscription.objects.filter(ended_at=None)
    pairs = selectors.key_pairs()
    return merchant.webhooks.alive().prefetch_related(
        Prefetch("subscriptions", live), Prefetch("secrets", pairs, to_attr="key_pairs")
    )


def warnings(webhook: Webhook) -> dict[str, Any]:
    """Return what stands beside a lone webhook. Not of its ETag: it changes with the catalogue and the events."""
    return {"warnings": webhook_rules.rules().warnings(webhook)}


def fresh(webhook: Webhook) -> Webhook:
    """Read the webhook again, with its subscriptions as they are now."""
    return webhooks_of(webhook.merchant).get(pk=webhook.pk)


class WebhookList(ApiView):
    """All webhooks."""

    query = (*PARAMETERS, *WebhookFilter.base_filters)

    @describe(
        "List webhooks",
        answer=WebhookSerializer,
        pages=True,
        filterset=WebhookFilter,
        following="https://hooks.example/api/v1/webhooks?cursor=a41",
    )
    def get(self, request: Request) -> Response:
        """Return the merchant's webhooks in pages, the newest first.

        Disabled and paused ones are included, deleted ones are not. Secrets are never shown, values of custom headers
        only to those who may change them (scope `manage`).
        """
        return self.pages(self.filtered(WebhookFilter, webhooks_of(self.merchant)), shape_for(self.credential))

    @describe("Create a webhook", body=NewWebhookSerializer, answer=NewWebhookSerializer, codes=(201,))
    def post(self, request: Request) -> Response:
        """Create a webhook; it receives every event published from now on that its patterns match.

        The answer holds the signing secret, which is not shown again. 422 names each setting that is wrong, such as an
        address inside a private network or a pattern that matches no event of the catalogue, and refuses a webhook
        more than the platform allows a merchant.
        """
        made = services.create_webhook(merchant=self.merchant, **self.body(NewWebhookSerializer))
        data = NewWebhookSerializer(fresh(made.webhook), context={"secret": made.secret}).data
        return Response(data, status.HTTP_201_CREATED, headers={"Location": f"{request.path}/{made.webhook.public_id}"})


class WebhookDetail(ApiView):
    """One webhook."""

    @describe("Read a webhook", answer=WebhookDetailSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return a webhook's settings and state, without its secret.

        The ETag names this state, the warnings aside: send it as If-Match with a change, or as If-None-Match to be
        answered 304 while nothing changed.
        """
        webhook = lookups.one(webhooks_of(self.merchant), id)
        return self.answer(shape_for(self.credential)(webhook).data, beside=warnings(webhook))

    @describe(
        "Change a webhook",
        body=WebhookSerializer,
        answer=WebhookDetailSerializer,
        etag=True,
        sent={"is_enabled": False},
        shown={"is_enabled": False},
    )
    def patch(self, request: Request, id: str) -> Response:
        """Change the settings given, and leave the others as they are.

        URL, policy and secrets count from the next attempt on, subscriptions from the next event on. With If-Match, the
        change is made only when nobody changed the webhook in between: else 412. 422 names each setting that is wrong;
        then none is changed. A change that would carry the secret itself to a new place needs a new `secret`.
        """
        changes = self.body(WebhookSerializer, partial=True)
        if changes.get("secret") and not changes.keys() & {"url", "dialect"}:
            raise ValidationError(
                {"secret": ["Rotate the secret instead (rotate-secret), so that the old one overlaps."]}
            )
        with transaction.atomic():
            webhook = self._locked(id)
            services.update_webhook(webhook=webhook, **changes)
        webhook = fresh(webhook)
        data = WebhookSerializer(webhook).data
        return Response({**data, **warnings(webhook)}, headers={"ETag": shaping.etag_of(data)})

    @describe("Delete a webhook", answer=None, codes=(204,), etag=True)
    def delete(self, request: Request, id: str) -> Response:
        """Delete a webhook for good: its open deliveries are cancelled, the log of what was sent stays.

        With If-Match, it is deleted only when nobody changed it in between: else 412.
        """
        with transaction.atomic():
            services.delete_webhook(webhook=self._locked(id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _locked(self, public_id: str) -> Webhook:
        """Return the webhook, locked until the transaction ends, if it is as the caller's If-Match says."""
        webhook = lookups.one(webhooks_of(self.merchant).select_for_update(no_key=True, of=("self",)), public_id)
        shaping.check_match(self.request, WebhookSerializer(webhook).data)
        return webhook
