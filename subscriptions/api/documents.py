"""The shapes of the subscriptions' resources, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from subscriptions.api import formats
from subscriptions.models import ApiKey, Webhook
from subscriptions.validators.settings import EXPIRY_BOUNDS, IN_FLIGHT_BOUNDS, ORDERINGS, RATE_BOUNDS, TIMEOUT_BOUNDS


class WebhookSettings(serializers.Serializer[Any]):
    """What may be changed of a webhook."""

    name = formats.Line(max_length=200, allow_blank=True)
    url = formats.Address(help_text="https, and not inside a private network.")
    events = serializers.ListField(
        child=formats.Pattern(),
        min_length=1,
        max_length=100,
        help_text="Event names, prefixes such as `order.*`, or `*`.",
    )
    dialect = formats.Dialect()
    is_enabled = serializers.BooleanField(help_text="False: events are skipped, and the log says so.")
    headers = formats.Headers(help_text="Custom headers; they can't override ours.")
    retry_policy = formats.Policy(allow_null=True, help_text="Null: the dialect's own.")
    timeout = serializers.FloatField(
        allow_null=True,
        min_value=TIMEOUT_BOUNDS[0],
        max_value=TIMEOUT_BOUNDS[1],
        help_text="Seconds for the whole request; null: the dialect's own.",
    )
    max_in_flight = serializers.IntegerField(
        allow_null=True,
        min_value=IN_FLIGHT_BOUNDS[0],
        max_value=IN_FLIGHT_BOUNDS[1],
        help_text="Open requests at once.",
    )
    rate_limit = serializers.FloatField(
        allow_null=True, min_value=RATE_BOUNDS[0], max_value=RATE_BOUNDS[1], help_text="Requests a second."
    )
    ordering = serializers.ChoiceField(
        choices=list(ORDERINGS),
        help_text="`resource`: events about one `resource_id` go one after the other, in the order published; "
        "`webhook`: all do. One that fails holds those behind it until it is delivered, discarded or cancelled.",
    )
    expire_after = serializers.IntegerField(
        allow_null=True,
        min_value=EXPIRY_BOUNDS[0],
        max_value=EXPIRY_BOUNDS[1],
        help_text="Seconds after which a delivery isn't sent any more but cancelled; null: the platform's default.",
    )
    filter = serializers.CharField(
        max_length=1000, allow_blank=True, help_text="A JMESPath condition, such as `data.order.currency == 'EUR'`."
    )
    fields = serializers.ListField(  # type: ignore[assignment]
        child=formats.Line(max_length=200), max_length=100, help_text="Only these fields are sent; empty: all."
    )
    body_style = serializers.ChoiceField(choices=Webhook.BodyStyle.values)
    api_version = formats.Line(max_length=20, allow_blank=True, help_text="Of alva's envelope; empty: the default.")


class WebhookDocument(WebhookSettings):
    """A webhook as it stands."""

    id = serializers.CharField()
    disabled_reason = serializers.CharField(allow_blank=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    paused_by = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    warnings = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Settings that can't work with the events the webhook listens to, in sentences: a pattern that "
        "matches nothing, a filter without an answer, fields that lead nowhere, bodies too large. Told of a lone "
        "webhook, not in lists; empty where all is well.",
    )


class NewWebhookSettings(WebhookSettings):
    """A webhook to create."""

    secret = formats.Secret(required=False, help_text="Left out, one is made and shown once.")


class NewWebhookDocument(WebhookDocument):
    """A webhook just created, with its secret: shown this once."""

    secret = serializers.CharField()


class Rotation(serializers.Serializer[Any]):
    """A new secret: given or made, and for how long the old one stays."""

    secret = formats.Secret(required=False)
    overlap = serializers.FloatField(
        required=False, allow_null=True, min_value=0, max_value=30 * 86400, help_text="Seconds; 0 ends the old at once."
    )


class RotatedSecret(serializers.Serializer[Any]):
    """The new secret: shown this once."""

    id = serializers.CharField()
    secret = serializers.CharField()
    old_secret_expires_at = serializers.DateTimeField(allow_null=True)


class EventTypeDocument(serializers.Serializer[Any]):
    """An entry of the event catalogue."""

    name = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    group = serializers.CharField()
    description = serializers.CharField()
    schema = serializers.DictField(help_text="JSON Schema (2020-12) of `data`.")
    example = serializers.DictField(help_text="An example of `data`.")


class NewApiKeyBody(serializers.Serializer[Any]):
    """An API key to make."""

    name = formats.Line(max_length=100, required=False, allow_blank=True)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ApiKey.Scope.values), required=False, min_length=1
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    live = serializers.BooleanField(required=False, help_text="False: the key reads `ak_test_…`.")


class ApiKeyDocument(serializers.Serializer[Any]):
    """An API key, without its text."""

    id = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    prefix = serializers.CharField(help_text="The key's first characters.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiKey.Scope.values))
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewApiKeyDocument(ApiKeyDocument):
    """An API key just made, with its text: shown this once."""

    key = serializers.CharField()


class CompanyWebhookSettings(serializers.Serializer[Any]):
    """A webhook under Shopery's names."""

    name = formats.Line(max_length=200, allow_blank=True)
    url = formats.Address()
    events = serializers.ListField(child=formats.Pattern(), min_length=1, max_length=100)
    isEnabled = serializers.BooleanField()


class CompanyWebhookDocument(CompanyWebhookSettings):
    """A webhook under Shopery's names, as it stands."""

    id = serializers.CharField()


class NewCompanyWebhookDocument(serializers.Serializer[Any]):
    """What Shopery answers, and the secret: shown this once."""

    id = serializers.CharField()
    secret = serializers.CharField()


class SignIn(serializers.Serializer[Any]):
    """A person's name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=4096)


class AccessToken(serializers.Serializer[Any]):
    """A token for `Authorization: Bearer`, with `X-tenant-ID` beside it."""

    access = serializers.CharField()


class Tokens(AccessToken):
    """A token, and one that refreshes it."""

    refresh = serializers.CharField()


class RefreshToken(serializers.Serializer[Any]):
    """The token that refreshes."""

    refresh = serializers.CharField(max_length=4096)
