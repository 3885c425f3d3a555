"""Counts that metrics show and no table holds: in Redis, so that they are the whole installation's.

What happens while Redis is away is kept by the process that saw it, and brought there once Redis answers it again.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

import redis

from subscriptions.conf import settings

UNCOUNTED: Final = "api_uncounted"
"""API requests and sign-ins that passed uncounted because Redis was away."""
SIGN_INS_REFUSED: Final = "sign_ins_refused"
"""Sign-ins refused for too many attempts; the field goes on with the door, and with what was counted."""
DOORS: Final = ("admin", "api", "password", "invitation", "second_factor")
COUNTED_BY: Final = ("account", "address")

_kept: Counter[str] = Counter()
_lock = threading.Lock()


def keep(name: str, count: int = 1) -> None:
    """Count what happened, without asking Redis; `bring` takes it there."""
    with _lock:
        _kept[name] += count


def bring(client: redis.Redis) -> None:
    """Take to Redis what this process has counted; costs nothing where there is none. Never raises for Redis."""
    if not _kept:
        return
    with _lock:
        counted = dict(_kept)
        _kept.clear()
    try:
        with client.pipeline(transaction=True) as pipe:
            for name, count in counted.items():
                pipe.hincrby(_key(), name, count)
            pipe.execute()
    except redis.RedisError:  # it may have arrived all the same: a count too many is better than one too few
        with _lock:
            _kept.update(counted)


def totals(client: redis.Redis) -> dict[str, int]:
    """Return the counts of the whole installation; where Redis is away, those that this process kept."""
    bring(client)
    try:
        held: dict[str, str] = client.hgetall(_key())  # type: ignore[assignment]
        found = {name: int(count) for name, count in held.items()}
    except redis.RedisError:
        found = {}
    with _lock:
        return dict(Counter(found) + _kept)


def _key() -> str:
    return f"{settings.REDIS_PREFIX}:tallies"
