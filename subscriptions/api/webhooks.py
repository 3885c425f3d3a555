"""Webhooks over the API: create, list, read, change and delete them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import selectors, services, webhook_rules
from subscriptions.api import formats, lookups, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.filters import FlagFilter, MomentFilter
from subscriptions.models import Merchant, Subscription, Webhook
from subscriptions.validators.settings import EXPIRY_BOUNDS, IN_FLIGHT_BOUNDS, ORDERINGS, RATE_BOUNDS, TIMEOUT_BOUNDS


class WebhookSerializer(ApiSerializer):
    """A webhook: where a merchant's events are sent, which ones, and how."""

    null_means_empty = frozenset(
        {"name", "headers", "filter", "fields", "ordering", "body_style", "api_version", "secret"}
    )

    id = eg(serializers.CharField(source="public_id", read_only=True), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    events = eg(
        serializers.ListField(
            child=formats.Pattern(),
            min_length=1,
            max_length=100,
            help_text="Event names, prefixes such as `order.*`, or `*`.",
        ),
        ["order.*", "download.accessed"],
    )
    name = eg(formats.Line(max_length=200, allow_blank=True, required=False), "Accounting")
    url = eg(
        formats.Address(help_text="https, and not inside a private network."),
        "https://accounting.example.com/hooks/orders",
    )
    dialect = eg(formats.Dialect(required=False), "alva")
    is_enabled = eg(
        serializers.BooleanField(required=False, help_text="False: events are skipped, and the log says so."), True
    )
    disabled_reason = serializers.CharField(
        allow_blank=True, read_only=True, help_text="Why the platform disabled it; empty while it didn't."
    )
    headers = eg(
        formats.Headers(required=False, help_text="Custom headers; they can't override ours."), {"X-Shop": "42"}
    )
    retry_policy = formats.Policy(allow_null=True, required=False, help_text="Null: the dialect's own.")
    timeout = serializers.FloatField(
        allow_null=True,
        required=False,
        min_value=TIMEOUT_BOUNDS[0],
        max_value=TIMEOUT_BOUNDS[1],
        help_text="Seconds for the whole request; null: the dialect's own.",
    )
    max_in_flight = serializers.IntegerField(
        allow_null=True,
        required=False,
        min_value=IN_FLIGHT_BOUNDS[0],
        max_value=IN_FLIGHT_BOUNDS[1],
        help_text="Open requests at once.",
    )
    rate_limit = serializers.FloatField(
        allow_null=True,
        required=False,
        min_value=RATE_BOUNDS[0],
        max_value=RATE_BOUNDS[1],
        help_text="Requests a second.",
    )
    expire_after = serializers.IntegerField(
        allow_null=True,
        required=False,
        min_value=EXPIRY_BOUNDS[0],
        max_value=EXPIRY_BOUNDS[1],
        help_text="Seconds after which a delivery isn't sent any more but cancelled; null: the platform's default.",
    )
    filter = eg(
        serializers.CharField(
            max_length=1000,
            allow_blank=True,
            required=False,
            help_text="A JMESPath condition, such as `data.order.currency == 'EUR'`.",
        ),
        "data.order.currency == 'EUR'",
    )
    fields = serializers.ListField(  # type: ignore[assignment]
        child=formats.Line(max_length=200),
        max_length=100,
        required=False,
        help_text="Only these fields are sent; empty: all.",
    )
    body_style = serializers.ChoiceField(choices=Webhook.BodyStyle.values, required=False)
    api_version = eg(
        formats.Line(
            max_length=20, allow_blank=True, required=False, help_text="Of alva's envelope; empty: the default."
        ),
        "2024-01",
    )
    paused_at = serializers.DateTimeField(allow_null=True, read_only=True, help_text="Null: it is not paused.")
    paused_by = serializers.CharField(allow_blank=True, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)
    ordering = eg(
        serializers.ChoiceField(
            choices=list(ORDERINGS),
            required=False,
            help_text="`resource`: events about one `resource_id` go one after the other, in the order published; "
            "`webhook`: all do. One that fails holds those behind it until it is delivered, discarded or cancelled.",
        ),
        "resource",
    )

    secret = formats.Secret(
        required=False,
        write_only=True,
        help_text="Along with `url` or `dialect` only: replaces the present one at once. Needed where the change would "
        "send the secret itself (dialect shopery) to a new place.",
    )

    def show_events(self, webhook: Webhook) -> list[str]:
        """Return the names and patterns subscribed to."""
        return selectors.patterns_of(webhook)

    def show_ordering(self, webhook: Webhook) -> str:
        """Return the setting as callers write it."""
        return webhook.ordering or "none"


class WebhookDetailSerializer(WebhookSerializer):
    """A lone webhook, with what its settings can't do."""

    warnings = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Settings that can't work with the events the webhook listens to, in sentences: a pattern that "
        "matches nothing, a filter without an answer, fields that lead nowhere, bodies too large. Told of a lone "
        "webhook, not in lists; empty where all is well.",
    )

    def show_warnings(self, webhook: Webhook) -> list[str]:
        """Return what its settings can't do."""
        return list(webhook_rules.rules().warnings(webhook))


class NewWebhookSerializer(WebhookDetailSerializer):
    """A webhook to create, or just created with its secret: shown this once."""

    secret = eg(
        formats.Secret(required=False, help_text="Left out, one is made and shown once."), "Zk8x2PqT7vWm4RbN9cLd"
    )

    def show_secret(self, webhook: Webhook) -> str:
        """Return the secret in the clear."""
        return str(self.context["secret"])


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
        """Keep those that subscribe to exactly this."""
        return rows.filter(Q(subscriptions__pattern=value, subscriptions__ended_at=None)).distinct()


def webhooks_of(merchant: Merchant) -> QuerySet[Webhook]:
    """Return the merchant's webhooks with what WebhookSerializer reads."""
    live = Subscription.objects.filter(ended_at=None)
    return merchant.webhooks.alive().prefetch_related(Prefetch("subscriptions", live))


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

        Disabled and paused ones are included, deleted ones are not. Secrets are never shown.
        """
        return self.pages(self.filtered(WebhookFilter, webhooks_of(self.merchant)), WebhookSerializer)

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
        return self.answer(WebhookSerializer(webhook).data, beside=warnings(webhook))

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
