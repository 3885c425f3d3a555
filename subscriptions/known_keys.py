"""API keys that were checked a moment ago: remembered for seconds, forgotten everywhere when one ends.

Whoever ends a key, or changes a merchant, raises a number in Redis, once that is committed. Processes that remember ask
for it in the call that counts their requests (`limits.Limiter.take_many`), so they know before they act on what they
remember. Where Redis is away, a key that has ended is known for REMEMBERED_FOR seconds at most.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

import redis
from django.db import transaction
from django.utils import timezone

from subscriptions import credentials, limits, redis_clients, selectors
from subscriptions.conf import settings
from subscriptions.credentials import Credential
from subscriptions.logs import get_logger
from subscriptions.models import ApiKey

log = get_logger(__name__)

REMEMBERED_FOR: Final = 5.0
"""Seconds."""
REMEMBERED_MAX: Final = 10_000
"""Keys; far more than use one process within seconds."""


class KnownKeys:
    """What one process remembers. For one thread."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, datetime | None, Credential]] = {}
        self._version: int | None = None

    def credential(self, text: str) -> Credential | None:
        """Return what the API key `text` may do, as `selectors.authenticate_key` finds it; None if it is unusable."""
        now = time.monotonic()
        until, expires_at, credential = self._known.get(text, (0.0, None, None))
        if credential is not None and until > now and (expires_at is None or expires_at > timezone.now()):
            return credential
        key = selectors.authenticate_key(text)
        if key is None:
            return None
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        credential = credentials.of_key(key)
        ends = ApiKey.objects.values_list("expires_at", flat=True).get(pk=key.pk)
        self._known[text] = (now + REMEMBERED_FOR, ends, credential)
        return credential

    def is_outdated(self, version: int | None) -> bool:
        """Note the version that Redis told (None: it is away). True when what was remembered before had to go."""
        if version is None or version == self._version:
            return False
        self._version = version
        had_some = bool(self._known)
        self._known.clear()
        return had_some


def changed(*, created: bool = False, **_kwargs: Any) -> None:
    """Make every process ask anew, once the caller's transaction is committed. Never raises for Redis.

    Connected to the signals of keys and merchants; what was just `created` nobody can remember.
    """
    if not created:
        transaction.on_commit(_raise_version, robust=True)


def _raise_version() -> None:
    try:
        redis_clients.client().incr(f"{settings.REDIS_PREFIX}:{limits.CREDENTIALS}")
    except redis.RedisError as error:
        log.warning("credentials_not_announced", error=redis_clients.said(error), known_for=REMEMBERED_FOR)
