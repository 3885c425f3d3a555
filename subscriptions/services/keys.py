"""API keys: made once, shown once, revoked."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from subscriptions import known_keys, selectors
from subscriptions.models import ApiKey, Merchant
from subscriptions.services import portal
from subscriptions.services.locks import lock_merchant
from subscriptions.validators import single_line

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME_MAX = 100
API_KEYS_MAX = 100
"""Keys that a merchant may have at a time; revoked and expired ones don't count."""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key just made, and its text in the clear: shown this once."""

    api_key: ApiKey
    text: str = field(repr=False)


@transaction.atomic
def create_api_key(
    *,
    merchant: Merchant,
    name: str = "",
    scopes: Collection[str] | None = None,
    expires_at: datetime | None = None,
    created_by: User | None = None,
    live: bool = True,
    within: ApiKey | None = None,
) -> NewApiKey:
    """Make a key `ak_live_…` (`ak_test_…` unless `live`) with `scopes`, by default all of ApiKey.Scope.

    `within` is the key that asks for it: none is made that may more, or works longer, than that one; what is left out
    is as with that one.

    Raises ValidationError for a name over 100 characters, unknown or no scopes, an `expires_at` that is past or has no
    time zone, and one key too many; with the code `beyond` for what `within` doesn't allow.
    """
    if within is not None:
        scopes = within.scopes if scopes is None else scopes
        expires_at = within.expires_at if expires_at is None else expires_at
    problems: dict[str, list[str]] = {}
    try:
        name = single_line(name, NAME_MAX, "A name")
    except ValueError as error:
        problems["name"] = [str(error)]
    if problem := _wrong_scopes(scopes):
        problems["scopes"] = [problem]
    if problem := _wrong_expiry(expires_at):
        problems["expires_at"] = [problem]
    if problems:
        raise ValidationError(problems)
    if within is not None:
        _refuse_beyond(within, scopes or (), expires_at)
    _refuse_another(merchant)
    text = _new_text("ak_live_" if live else "ak_test_")
    key = ApiKey.objects.create(
        merchant=merchant,
        name=name,
        prefix=text[: selectors.KEY_PREFIX_LENGTH],
        digest=selectors.digest_of(text),
        scopes=[scope for scope in ApiKey.Scope.values if scopes is None or scope in scopes],
        created_by=created_by,
        expires_at=expires_at,
    )
    return NewApiKey(key, text)


@transaction.atomic
def revoke_api_key(*, api_key: ApiKey) -> ApiKey:
    """End the key at once, and the portal links and sessions made with it. Revoking twice keeps the first moment."""
    ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=timezone.now())
    portal.end_links_of(api_key)
    known_keys.changed()
    api_key.refresh_from_db(fields=["revoked_at"])
    return api_key


def _refuse_beyond(within: ApiKey, scopes: Collection[str], expires_at: datetime | None) -> None:
    problems: dict[str, ValidationError] = {}
    if missing := [scope for scope in scopes if scope not in within.scopes]:
        problems["scopes"] = ValidationError(
            f"The key that asks doesn't have the scope {missing[0]!r} itself.", "beyond"
        )
    if within.expires_at is not None and (expires_at is None or expires_at > within.expires_at):
        ends = within.expires_at.isoformat()
        problems["expires_at"] = ValidationError(
            f"The key that asks ends at {ends}; none it makes lasts longer.", "beyond"
        )
    if problems:
        raise ValidationError(problems)


def _refuse_another(merchant: Merchant) -> None:
    lock_merchant(merchant)  # two requests at once would each find a place left
    usable = merchant.api_keys.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)
    if usable.count() >= API_KEYS_MAX:
        problem = f"{merchant} has {API_KEYS_MAX} API keys, the most a merchant may have. Revoke one first."
        raise ValidationError({"merchant": [ValidationError(problem, "too_many")]})


def _new_text(kind: str) -> str:
    while True:
        text = kind + "".join(secrets.choice(selectors.KEY_ALPHABET) for _ in range(selectors.KEY_RANDOM_LENGTH))
        if not ApiKey.objects.filter(prefix=text[: selectors.KEY_PREFIX_LENGTH]).exists():
            return text


def _wrong_scopes(scopes: Any) -> str:
    if scopes is None:
        return ""
    choices = ", ".join(ApiKey.Scope.values)
    if isinstance(scopes, str) or not isinstance(scopes, Collection) or not scopes:
        return f"Scopes must be a list of at least one of {choices}."
    unknown = [scope for scope in scopes if scope not in ApiKey.Scope.values]
    return f"{unknown[0]!r} is not a scope. Use some of {choices}." if unknown else ""


def _wrong_expiry(expires_at: Any) -> str:
    if expires_at is None:
        return ""
    if not isinstance(expires_at, datetime) or timezone.is_naive(expires_at):
        return "The expiry must be a moment with a time zone, such as 2030-01-31T00:00:00Z."
    return "" if expires_at > timezone.now() else "The expiry has passed. Give a moment in the future, or none."
