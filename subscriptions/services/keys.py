"""API keys: made once, shown once, revoked."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from subscriptions import known_keys, selectors
from subscriptions.models import ApiKey, Merchant
from subscriptions.validators import single_line

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME_MAX = 100


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
) -> NewApiKey:
    """Make a key `ak_live_…` (`ak_test_…` unless `live`) with `scopes`, by default all of ApiKey.Scope.

    Raises ValidationError for a name over 100 characters, unknown or no scopes, and an `expires_at` that is past or
    has no time zone.
    """
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


def revoke_api_key(*, api_key: ApiKey) -> ApiKey:
    """End the key at once. Revoking twice keeps the first moment."""
    ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=timezone.now())
    known_keys.changed()
    api_key.refresh_from_db(fields=["revoked_at"])
    return api_key


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
