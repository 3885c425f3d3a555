"""Signing secrets: rotated with an overlap, switched, replaced.

Dialects whose header holds one value sign with the oldest active secret, so during an overlap the receiver's present
secret goes on signing, and the newest takes over when the overlap ends or the merchant switches. A secret between those
two never signed anything there: a second rotation within the overlap ends it at once, and two are active at most. Where
the header carries a signature for each secret, receivers may have moved to any of them, so all stay for their overlap,
up to ACTIVE_SECRETS_MAX; then the oldest ends.

Ends are moments of the database's clock, by which workers sign: what ends at once has ended for whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from subscriptions import selectors, signals, validators, webhook_rules
from subscriptions.conf import settings
from subscriptions.models import SigningSecret, Webhook
from subscriptions.services.locks import lock_webhook

SIGN_WITH_ALL: Final = frozenset({"standard"})
"""Dialects whose header carries a signature for each active secret (Standard Webhooks)."""
ACTIVE_SECRETS_MAX: Final = 3
"""Secrets that such a dialect signs with at a time."""
OVERLAP_MAX: Final = timedelta(days=30)
"""The longest overlap that may be asked for."""


@transaction.atomic
def rotate_secret(
    *, webhook: Webhook, secret: str | None = None, overlap: timedelta | None = None, signature: str | None = None
) -> str:
    """Give the webhook a new secret, made up when none is given, and return it: shown this once (by `shown`).

    `signature` says what is made up: a shared secret (hmac) or a key pair (ed25519); by default, what the newest is.
    The old ones stay active for `overlap` (by default WEBHOOKS_SECRET_OVERLAP seconds), never longer than an earlier
    rotation promised; an overlap of nothing ends them at once.

    Raises ValidationError for a secret that the dialect can't sign with or that is active already, for a signature that
    it doesn't know, for an overlap that is negative or over OVERLAP_MAX, and for a deleted webhook.
    """
    lock_webhook(webhook)
    if overlap is not None and not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise ValidationError({"overlap": [f"The overlap must lie between 0 and {OVERLAP_MAX.days} days."]})
    if secret:
        validators.check_secret(webhook.dialect, secret)
        _refuse_active(webhook, secret)
    now = selectors.database_now()
    old = _active(webhook, now)
    present = webhook_rules.ED25519 if old and old[-1].public_key else webhook_rules.HMAC
    text = validators.secret_or_new(secret, webhook.dialect, signature, present=present)
    kept = old[-(ACTIVE_SECRETS_MAX - 1) :] if webhook.dialect in SIGN_WITH_ALL else old[:1]
    _expire(kept, now + (timedelta(seconds=settings.WEBHOOKS_SECRET_OVERLAP) if overlap is None else overlap))
    _expire((one for one in old if one not in kept), now)
    _add(webhook, text, "with an overlap" if overlap is None or overlap else "without an overlap")
    return text


def shown(secret: str) -> tuple[str, str]:
    """Return what is shown of a new secret, once: itself, or, as a private key is for nobody's eyes, its public key."""
    public_key = webhook_rules.rules().public_key_of(secret)
    return ("", public_key) if public_key else (secret, "")


@transaction.atomic
def switch_secret(*, webhook: Webhook) -> Webhook:
    """End the overlap: only the newest secret signs from now on. Harmless where there is but one.

    Raises ValidationError for a deleted webhook.
    """
    lock_webhook(webhook)
    now = selectors.database_now()
    if old := _active(webhook, now)[:-1]:
        _expire(old, now)
        _announce(webhook, "the old secret ended")
    return webhook


def reaches_new_place(webhook: Webhook, *, url: str, dialect: str) -> bool:
    """Tell whether `webhook` with this URL and dialect would send its secret, in clear, where it never was sent."""
    return webhook_rules.rules().sends_secret(dialect) and (url, dialect) != (webhook.url, webhook.dialect)


def replace_secret(webhook: Webhook, text: str) -> None:
    """Make `text` the only active secret of a locked webhook, unless it is that already."""
    now = selectors.database_now()
    if len(_active(webhook, now)) == 1 and selectors.signing_secrets([webhook.pk], now)[webhook.pk] == [text]:
        return
    _expire(_active(webhook, now), now)
    _add(webhook, text, "replaced at once")


def _active(webhook: Webhook, now: datetime) -> list[SigningSecret]:
    # Values stay unread: a secret whose encryption key is lost can still be rotated away.
    return list(selectors.active_secrets(now).filter(webhook=webhook).defer("value"))


def _expire(old: Iterable[SigningSecret], moment: datetime) -> None:
    for one in old:
        if one.expires_at is None or one.expires_at > moment:
            one.expires_at = moment
            one.created_at = min(one.created_at, moment)  # a host's clock wrote it, perhaps one that is ahead
            one.save(update_fields=["created_at", "expires_at"])


def note_accepted(webhook: Webhook) -> None:
    """Note that the endpoint answered 2xx to a message that only the newest secret signs."""
    newest = selectors.active_secrets().filter(webhook=webhook).defer("value").last()
    if newest is not None:
        SigningSecret.objects.filter(pk=newest.pk).update(accepted_at=timezone.now())


def _add(webhook: Webhook, text: str, details: str) -> None:
    store_secret(webhook, text)
    _announce(webhook, details)


def _announce(webhook: Webhook, details: str) -> None:
    webhook.save(update_fields=["updated_at"])  # so that one of two who read the same webhook is told of the other
    signals.webhook_changed.send(sender=Webhook, webhook=webhook, action=signals.SECRET_ROTATED, details=details)


def store_secret(webhook: Webhook, text: str) -> None:
    """Store a checked secret, with its public key where it has one."""
    public_key = webhook_rules.rules().public_key_of(text)
    SigningSecret.objects.create(webhook=webhook, value=text, public_key=public_key)


def _refuse_active(webhook: Webhook, secret: str) -> None:
    if secret in selectors.signing_secrets([webhook.pk])[webhook.pk]:
        raise ValidationError({"secret": ["The webhook signs with this secret already. Give a new one."]})
