"""What a webhook may look like, answered from dialects, transport, retry policies and filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deliveries import dialects
from deliveries.dialects import key_pairs
from deliveries.payloads import filters, transformations
from deliveries.retries.policy import RetryPolicy
from deliveries.sending import destinations, webhook_advice
from deliveries.sending.destinations import sign_in
from deliveries.sending.process_transport import address_policy
from deliveries.transport import check_url
from subscriptions import webhook_rules
from subscriptions.models import Webhook
from subscriptions.webhook_rules import ED25519, HMAC, CheckedDestination, CheckedSignIn, Kind


class Rules:
    """Implements `subscriptions.webhook_rules.WireRules`; each check raises ValueError with the fix."""

    def kinds(self) -> Sequence[Kind]:
        """Return the kinds of webhooks there are, HTTPS first."""
        return list(destinations.KINDS.values())

    def check_destination(
        self, kind: str, settings: Mapping[str, Any], credentials: Mapping[str, Any] | None
    ) -> CheckedDestination:
        """Return what is stored of a destination. Raises ValidationError, as `destination.region`."""
        return destinations.get(kind).check(settings, credentials)

    def sign_in_methods(self) -> Sequence[Kind]:
        """Return the ways there are to sign in at an endpoint."""
        return list(sign_in.METHODS.values())

    def check_sign_in(self, settings: Mapping[str, Any], credentials: Any) -> CheckedSignIn:
        """Return what is stored of a sign-in. Raises ValidationError, as `sign_in.username`."""
        return sign_in.check(settings, credentials)

    def sends_authorization(self, settings: Mapping[str, Any]) -> bool:
        """Tell whether a sign-in sends the header `Authorization`."""
        return settings.get("method") in sign_in.AUTHORIZING

    def describe_destination(self, kind: str, settings: Mapping[str, Any]) -> str:
        """Return where a destination is, in words; one of a kind that this release doesn't know has its name only."""
        return destinations.get(kind).describe(settings) if kind in destinations.KINDS else kind

    def dialects(self) -> list[tuple[str, str]]:
        """Return (name, label) of every dialect."""
        return list(dialects.CHOICES)

    def check_url(self, url: str) -> None:
        """Refuse a URL that must not be called, or whose name leads now where it must not.

        A name that can't be looked up passes: the merchant may set it up later, and our name servers may be in trouble.
        """
        check_url(url, address_policy(), resolve=True, must_exist=False)

    def check_secret(self, dialect: str, secret: str) -> None:
        """Refuse a secret the dialect can't sign with."""
        dialects.get(dialect).check_secret(secret)

    def make_secret(self, dialect: str, signature: str = HMAC) -> str:
        """Return a fresh secret for the dialect. Raises ValueError where it doesn't know the signature."""
        known = dialects.get(dialect)
        if signature != ED25519:
            return known.make_secret()
        if known.make_key_pair is None:
            raise ValueError(f"The dialect {dialect} knows no {ED25519} signatures; the dialect standard does.")
        return known.make_key_pair()

    def public_key_of(self, secret: str) -> str:
        """Return what receivers verify with where a secret is a private key; empty where they share it."""
        return key_pairs.public_key_of(secret) if key_pairs.is_private(secret) else ""

    def sends_secret(self, dialect: str) -> bool:
        """Tell whether the dialect's requests carry the secret itself, in clear."""
        return dialects.get(dialect).sends_secret

    def check_policy(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Return the retry policy in its stored form."""
        return RetryPolicy.from_dict(policy).to_dict()

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Refuse custom headers that are malformed or ours."""
        dialects.check_custom_headers(headers)

    def check_filter(self, expression: str) -> None:
        """Refuse a filter that doesn't parse."""
        filters.check_expression(expression)

    def check_transform(self, expression: str) -> None:
        """Refuse a transformation that doesn't parse."""
        transformations.check_expression(expression)

    def check_fields(self, fields: list[str]) -> None:
        """Refuse field paths that don't parse."""
        filters.check_field_paths(fields)

    def warnings(self, webhook: Webhook) -> list[str]:
        """Return which settings can't work with what the webhook listens to."""
        return webhook_advice.warnings(webhook)


def install() -> None:
    """Put these rules in force."""
    webhook_rules.register(Rules())
