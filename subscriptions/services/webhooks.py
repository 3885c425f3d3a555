"""Webhooks: made, changed, deleted. One transaction each; two people changing one webhook take turns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from subscriptions import selectors, signals, validators, webhook_rules
from subscriptions.conf import settings
from subscriptions.models import Merchant, Subscription, Webhook
from subscriptions.services.locks import lock_merchant, lock_webhook, reread_locked
from subscriptions.services.secrets import reaches_new_place, replace_secret, store_secret
from subscriptions.services.states import switch

_NOT_COLUMNS: Final = frozenset({"events", "secret", "is_enabled"})


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook just made, and its secret in the clear: shown this once."""

    webhook: Webhook
    secret: str = field(repr=False)


@transaction.atomic
def create_webhook(
    *,
    merchant: Merchant,
    events: list[str],
    url: str = "",
    name: str = "",
    dialect: str = "standard",
    secret: str | None = None,
    signature: str | None = None,
    **others: Any,
) -> NewWebhook:
    """Make a webhook with its subscriptions and its first secret, which is made up when none is given.

    `others` are headers, retry_policy, timeout (seconds), max_in_flight, rate_limit (requests a second), ordering
    (none, resource, webhook: what is published from now on), expire_after (seconds), filter, fields, transform,
    is_enabled, body_style, api_version; empty ones mean the dialect's or the platform's own. `kind` says where events
    go: https; a queue, which has `destination` and `credentials` in place of a URL; or pull, which has none
    (docs/destinations.md). `sign_in` with its `credentials` is how an endpoint is asked who we are
    (docs/endpoint-sign-in.md). `signature` says whether the secret made up is a shared one (hmac, the default) or a key
    pair (ed25519).

    Raises ValidationError naming every wrong field, for an inactive merchant, and for one webhook too many.
    """
    given = {"url": url, "events": events, "name": name, "dialect": dialect, "secret": secret, **others}
    cleaned = validators.clean_webhook(given, dialect=dialect)
    text = validators.secret_or_new(cleaned.get("secret"), cleaned["dialect"], signature)
    merchant = lock_merchant(merchant)
    _refuse_another(merchant)
    webhook = Webhook(merchant=merchant, is_enabled=cleaned.get("is_enabled", True), **_columns(cleaned))
    if not webhook.is_enabled:
        webhook.disabled_at = timezone.now()
    webhook.save(force_insert=True)
    _subscribe(webhook, cleaned["events"])
    store_secret(webhook, text)
    signals.webhook_changed.send(sender=Webhook, webhook=webhook, action=signals.CREATED)
    return NewWebhook(webhook, text)


@transaction.atomic
def update_webhook(*, webhook: Webhook, **changes: Any) -> Webhook:
    """Change any of the settings `create_webhook` takes, and return `webhook`, brought up to date in place.

    `events` are the whole new list: what is missing from it ends, and stays as history. `secret` replaces all present
    ones at once (`rotate_secret` lets them overlap); empty, it changes nothing. Another dialect needs a secret that
    fits it; a change after which requests would carry the secret itself to another URL than before needs it, too, so
    that only who knows a secret can have it sent somewhere; likewise a destination at another place needs its
    credentials, and an endpoint at another URL those of its sign-in. A kind never changes. `is_enabled` enables or
    disables.

    Raises ValidationError naming every wrong field, and for a deleted webhook.
    """
    lock_webhook(webhook)
    known = selectors.patterns_of(webhook)
    cleaned = validators.clean_webhook(
        changes,
        dialect=webhook.dialect,
        known=known,
        present_secrets=_present_secrets(webhook, changes),
        present=webhook,
    )
    _keep_secret_home(webhook, cleaned)
    changed = _assign(webhook, _columns(cleaned))
    resubscribed = _subscribe(webhook, cleaned.get("events", known))
    if changed or resubscribed:
        webhook.save(update_fields=[*changed, "updated_at"])
        details = ", ".join([*(name.replace("_", " ") for name in changed), *resubscribed])
        signals.webhook_changed.send(sender=Webhook, webhook=webhook, action=signals.UPDATED, details=details)
    if "secret" in cleaned:
        replace_secret(webhook, cleaned["secret"])
    if "is_enabled" in cleaned:
        switch(webhook, on=cleaned["is_enabled"])
    return webhook


@transaction.atomic
def delete_webhook(*, webhook: Webhook) -> Webhook:
    """Delete the webhook: its subscriptions end and it is disabled; its row stays for the log. Twice is harmless."""
    reread_locked(webhook)
    if webhook.deleted_at is not None:
        return webhook
    now = timezone.now()
    webhook.deleted_at = now
    if webhook.is_enabled:
        webhook.is_enabled, webhook.disabled_at, webhook.disabled_reason = False, now, "deleted"
    webhook.save(update_fields=["deleted_at", "is_enabled", "disabled_at", "disabled_reason", "updated_at"])
    webhook.subscriptions.filter(ended_at=None).update(ended_at=now)
    signals.webhook_changed.send(sender=Webhook, webhook=webhook, action=signals.DELETED)
    return webhook


def _refuse_another(merchant: Merchant) -> None:
    if not merchant.is_active:
        raise ValidationError({"merchant": [f"{merchant} is not active. Activate it before adding webhooks."]})
    limit = settings.WEBHOOKS_PER_MERCHANT_MAX  # each webhook is one more delivery of an event
    if merchant.webhooks.alive().count() >= limit:
        raise ValidationError(
            {"merchant": [f"{merchant} has {limit} webhooks, the most a merchant may have. Delete one first."]}
        )


def _columns(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cleaned.items() if name not in _NOT_COLUMNS}


def _assign(webhook: Webhook, values: Mapping[str, Any]) -> list[str]:
    changed = [name for name, value in values.items() if getattr(webhook, name) != value]
    for name in changed:
        setattr(webhook, name, values[name])
    return changed


def _present_secrets(webhook: Webhook, changes: Mapping[str, Any]) -> Collection[str]:
    if "dialect" not in changes:
        return ()
    return selectors.signing_secrets([webhook.pk])[webhook.pk]


def _keep_secret_home(webhook: Webhook, cleaned: Mapping[str, Any]) -> None:
    url, dialect = cleaned.get("url", webhook.url), cleaned.get("dialect", webhook.dialect)
    if "secret" not in cleaned and reaches_new_place(webhook, url=url, dialect=dialect):
        problem = (
            f"The dialect {dialect} sends the secret itself, which this change would carry to a new place. "
            "Give a secret along with it: it replaces the present one at once."
        )
        raise ValidationError({"secret": [ValidationError(problem, webhook_rules.SECRET_NEEDED)]})


def _subscribe(webhook: Webhook, wanted: list[str]) -> list[str]:
    """End what is not wanted any more, begin what is new; return in words what changed."""
    present = selectors.patterns_of(webhook)
    ended = [pattern for pattern in present if pattern not in wanted]
    begun = [pattern for pattern in wanted if pattern not in present]
    if ended:
        webhook.subscriptions.filter(ended_at=None, pattern__in=ended).update(ended_at=timezone.now())
    Subscription.objects.bulk_create(
        Subscription(merchant_id=webhook.merchant_id, webhook=webhook, pattern=pattern) for pattern in begun
    )
    return [*(f"{pattern} added" for pattern in begun), *(f"{pattern} taken off" for pattern in ended)]
