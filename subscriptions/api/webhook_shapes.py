"""How the API shows webhooks, and what requests may say of them."""

from __future__ import annotations

from typing import Final

from rest_framework import serializers

from subscriptions import selectors, webhook_rules
from subscriptions.api import formats
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.credentials import Credential
from subscriptions.models import Webhook
from subscriptions.services.secrets import shown
from subscriptions.validators.settings import (
    EXPIRY_BOUNDS,
    IN_FLIGHT_BOUNDS,
    ORDERINGS,
    RATE_BOUNDS,
    TIMEOUT_BOUNDS,
    TRANSFORM_MAX,
)

MASKED: Final = "••••••"


class WebhookSerializer(ApiSerializer):
    """A webhook: where a merchant's events go, which ones, and how."""

    null_means_empty = frozenset(
        {
            "name",
            "headers",
            "filter",
            "fields",
            "transform",
            "ordering",
            "body_style",
            "api_version",
            "secret",
            "kind",
            "url",
            "destination",
            "sign_in",
            "credentials",
        }
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
        formats.Address(
            required=False,
            help_text="https, and not inside a private network. Needed for an endpoint; a queue's is made from its "
            "`destination`, a feed has none.",
        ),
        "https://accounting.example.com/hooks/orders",
    )
    kind = eg(
        formats.Kind(
            required=False,
            help_text="Where events go: `https`, an endpoint; a queue; or `pull`, a feed that your program fetches "
            "(`GET webhooks/{id}/feed`). It can't be changed afterwards.",
        ),
        webhook_rules.HTTPS,
    )
    destination = eg(
        formats.Destination(
            required=False, help_text="Where the queue is; empty for an endpoint. Replaced as a whole by a change."
        ),
        {},
    )
    sign_in = eg(
        formats.SignIn(
            required=False,
            help_text="How the endpoint is asked who we are, beside signatures; empty for most. Replaced as a whole by "
            "a change.",
        ),
        {},
    )
    certificate_ends_at = serializers.DateTimeField(
        allow_null=True, read_only=True, help_text="When the client certificate of `sign_in` ends; null without one."
    )
    dialect = eg(formats.Dialect(required=False), "alva")
    is_enabled = eg(
        serializers.BooleanField(required=False, help_text="False: events are skipped, and the log says so."), True
    )
    disabled_reason = serializers.CharField(
        allow_blank=True, read_only=True, help_text="Why the platform disabled it; empty while it didn't."
    )
    headers = eg(
        formats.Headers(
            required=False, help_text="Custom headers; they can't override ours. Masked without the scope `manage`."
        ),
        {"X-Shop": "42"},
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
    transform = serializers.CharField(
        max_length=TRANSFORM_MAX,
        allow_blank=True,
        required=False,
        help_text="A JMESPath expression whose result, an object, is the message (dialect standard and queues); empty: "
        "none. It sees `id`, `event`, `timestamp` and `data`.",
    )
    body_style = serializers.ChoiceField(choices=Webhook.BodyStyle.values, required=False)
    api_version = eg(
        formats.Line(
            max_length=20, allow_blank=True, required=False, help_text="Of alva's envelope; empty: the default."
        ),
        "2024-01",
    )
    public_keys = eg(
        serializers.ListField(
            child=serializers.CharField(),
            read_only=True,
            help_text="What verifies its `v1a,` signatures, oldest first; empty where it signs with a shared secret.",
        ),
        [],
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

    credentials = formats.Credentials(
        required=False,
        write_only=True,
        help_text="What opens the queue or signs in at the endpoint: kept encrypted, shown never. Needed again where "
        "`destination`, `url` or `sign_in` would take them to another place.",
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

    def show_public_keys(self, webhook: Webhook) -> list[str]:
        """Return the public keys of the key pairs that sign now."""
        return selectors.public_keys_of(webhook)

    def show_ordering(self, webhook: Webhook) -> str:
        """Return the setting as callers write it."""
        return webhook.ordering or "none"


class ReadWebhookSerializer(WebhookSerializer):
    """A webhook for those who may not change it: they see the names of custom headers, which may carry credentials."""

    def show_headers(self, webhook: Webhook) -> dict[str, str]:
        """Return the names, each with a mask for its value."""
        return dict.fromkeys(webhook.headers, MASKED)


def shape_for(credential: Credential) -> type[WebhookSerializer]:
    """Return how a webhook is shown to whoever asks."""
    return WebhookSerializer if "manage" in credential.scopes else ReadWebhookSerializer


class WebhookDetailSerializer(WebhookSerializer):
    """A lone webhook, with what its settings can't do."""

    warnings = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Settings that can't work with the events the webhook listens to, in sentences: a pattern that "
        "matches nothing, a filter without an answer, fields that lead nowhere, bodies too large. Given with a "
        "single webhook, not in lists; empty where all is well.",
    )

    def show_warnings(self, webhook: Webhook) -> list[str]:
        """Return what its settings can't do."""
        return list(webhook_rules.rules().warnings(webhook))


class NewWebhookSerializer(WebhookDetailSerializer):
    """A webhook to create, or just created with its secret: shown this once."""

    null_means_empty = WebhookSerializer.null_means_empty | {"signature"}

    secret = eg(
        formats.Secret(
            required=False,
            help_text="Left out, one is made and shown once. Empty in the answer where it is a private key.",
        ),
        "Zk8x2PqT7vWm4RbN9cLd",
    )
    signature = formats.Signature(write_only=True)

    def show_secret(self, webhook: Webhook) -> str:
        """Return the secret in the clear; a private key is for nobody's eyes."""
        return shown(str(self.context["secret"]))[0]
