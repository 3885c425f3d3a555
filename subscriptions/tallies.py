"""Counts that metrics show and no table holds: in Redis, so that they are the whole installation's.

Each process counts in its memory, and a thread brings what it counted to Redis every BRING_EVERY seconds. So counting
costs no statement and no call, and any web process can tell what all processes on all hosts have seen. What happens
while Redis is away is brought once it is back (docs/adr/0046).
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from typing import Final

import redis

from subscriptions import redis_clients
from subscriptions.conf import settings

UNCOUNTED: Final = "api_uncounted"
"""API requests and sign-ins that passed uncounted because Redis was away."""
SIGN_INS_REFUSED: Final = "sign_ins_refused"
"""Sign-ins refused for too many attempts; the field goes on with the door, and with what was counted."""
DOORS: Final = ("admin", "api", "password", "invitation", "second_factor")
COUNTED_BY: Final = ("account", "address")
BRING_EVERY: Final = 2.0
"""Seconds between two times that a process brings its counts to Redis: no scrape is further behind."""

_kept: dict[str, int] = {}
_lock = threading.Lock()
_bringing = threading.Lock()
"""Held from taking counts out of `_kept` until Redis has them: who reads both in between would miss some."""
_bringer: threading.Thread | None = None


def keep(name: str, count: int = 1) -> None:
    """Count what happened, without asking Redis."""
    with _lock:
        _kept[name] = _kept.get(name, 0) + count
    if _bringer is None:
        _start()


def keep_all(counts: Mapping[str, int]) -> None:
    """Count many things at once: one lock for a chunk."""
    with _lock:
        for name, count in counts.items():
            _kept[name] = _kept.get(name, 0) + count
    if _bringer is None:
        _start()


def bring(client: redis.Redis | None = None) -> bool:
    """Take to Redis what this process has counted; costs nothing where there is none. Never raises for Redis.

    Returns whether Redis has all of it.
    """
    if not _kept:
        return True
    with _bringing:
        with _lock:
            counted = dict(_kept)
            _kept.clear()
        try:
            asked = client or redis_clients.client()
            with asked.pipeline(transaction=True) as pipe:
                for name, count in counted.items():
                    pipe.hincrby(_key(), name, count)
                pipe.execute()
        except (redis.RedisError, OSError, ValueError):  # it may have arrived: one too many is better than too few
            with _lock:
                for name, count in counted.items():
                    _kept[name] = _kept.get(name, 0) + count
            return False
        return True


def totals(client: redis.Redis | None = None) -> dict[str, int] | None:
    """Return the counts of the whole installation; None where Redis doesn't tell them."""
    if not bring(client):
        return None
    try:
        held: dict[str, str] = (client or redis_clients.client()).hgetall(_key())  # type: ignore[assignment]
    except (redis.RedisError, OSError, ValueError):
        return None
    return {name: int(count) for name, count in held.items()}


def forget() -> None:
    """Drop what this process has counted and not brought; for tests, and for processes that were forked."""
    with _bringing, _lock:
        _kept.clear()


def _start() -> None:
    global _bringer  # noqa: PLW0603 - one a process
    with _lock:
        if _bringer is None:
            _bringer = threading.Thread(target=_bring_for_ever, name="tallies", daemon=True)
            _bringer.start()
            atexit.register(bring)


def _bring_for_ever() -> None:
    pause = threading.Event()
    while True:
        pause.wait(BRING_EVERY)
        bring()


def _after_fork() -> None:
    """Begin anew in a child: its parent brings what was counted so far, and its parent's thread isn't here."""
    global _bringer, _lock, _bringing
    _bringer, _lock, _bringing = None, threading.Lock(), threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_after_fork)


def _key() -> str:
    return f"{settings.REDIS_PREFIX}:tallies"
