"""Secrets at rest: MultiFernet under WEBHOOKS_ENCRYPTION_KEYS; the first key encrypts, every key decrypts."""

from __future__ import annotations

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import ImproperlyConfigured

from subscriptions.conf import settings


class UndecryptableSecret(Exception):
    """A stored secret was encrypted under a key that WEBHOOKS_ENCRYPTION_KEYS no longer lists."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            f"WEBHOOKS_ENCRYPTION_KEYS: {error}. It expects Fernet keys, comma-separated, the newest first."
        ) from error


def encrypt(text: str) -> str:
    """Return `text` encrypted under the newest key. Raises ImproperlyConfigured when a key is malformed."""
    return _fernet(tuple(settings.WEBHOOKS_ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


@lru_cache(
    maxsize=10_000
)  # a webhook's secret is read at every claim; decrypting costs more than the rest of the claim
def _decrypt(token: str, keys: tuple[str, ...]) -> str:
    return _fernet(keys).decrypt(token.encode()).decode()


def decrypt(token: str) -> str:
    """Return the text behind `token`.

    Raises UndecryptableSecret when no key fits; put the old key back at the end of WEBHOOKS_ENCRYPTION_KEYS.
    """
    try:
        return _decrypt(token, tuple(settings.WEBHOOKS_ENCRYPTION_KEYS))
    except InvalidToken as error:
        raise UndecryptableSecret(
            "a stored secret can't be decrypted with any key of WEBHOOKS_ENCRYPTION_KEYS; "
            "add the key it was written with at the end of the list"
        ) from error
