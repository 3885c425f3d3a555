"""Redis as a blackboard of hints: names, clients that give up quickly, and a fuse that rests after a failure."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

TIMEOUT = 0.3
"""Seconds a hint may take before it is given up; the sweep covers what was not said."""
REST = 5.0
"""Seconds without hints after a failure: `publish()` never waits on an absent Redis twice in a row."""


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return this process' client for hints."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        health_check_interval=0,
        retry=None,
        decode_responses=True,
    )


def name(suffix: str) -> str:
    """Return the full name of a key."""
    return f"{settings.REDIS_PREFIX}:{suffix}"


class Fuse:
    """Blown by a failure, it holds for REST seconds; while blown, hints are skipped."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._until = 0.0
        self._lock = threading.Lock()

    @property
    def blown(self) -> bool:
        """Tell whether hints are skipped now."""
        return time.monotonic() < self._until

    def blow(self, error: Exception) -> None:
        """Skip hints for a while; say so once."""
        with self._lock:
            said = self.blown
            self._until = time.monotonic() + REST
        if not said:
            log.warning(self._name, error=str(error)[:200], rest_seconds=REST)

    def mend(self) -> None:
        """Give hints again: the other side has answered."""
        self._until = 0.0


fuse = Fuse("redis_away")
broker_fuse = Fuse("broker_away")
