"""The engine's Redis: key names, one client, and circuit breakers that rest after a failure."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

TIMEOUT = 0.3
"""Seconds a wake-up may take before it is given up; the scheduler's sweep finds what was not said."""
BELL_WAIT_MAX = 1.0
"""Seconds a dispatcher waits for the bell at most in one call."""
OPEN_SECONDS = 5.0
"""Seconds without calls after a failure: `publish()` never waits for an absent Redis twice in a row."""


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return this process' client, which gives up after TIMEOUT."""
    return _client(TIMEOUT)


@lru_cache(maxsize=1)
def waiting_client() -> redis.Redis:
    """Return this process' client for blocking calls of up to BELL_WAIT_MAX seconds."""
    return _client(BELL_WAIT_MAX + 2.0)


def name(suffix: str) -> str:
    """Return the full name of a key."""
    return f"{settings.REDIS_PREFIX}:{suffix}"


def _client(timeout: float) -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout,
        socket_connect_timeout=TIMEOUT,
        health_check_interval=0,
        retry=None,
        decode_responses=True,
    )


class CircuitBreaker:
    """Opened by a failure for OPEN_SECONDS; while it is open, nothing is asked of the other side.

    Args:
        name: The log event that says it opened.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._open_until = 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Tell whether calls are skipped now."""
        return time.monotonic() < self._open_until

    def open(self, error: Exception) -> None:
        """Skip calls for a while; logged once, not for each failure."""
        with self._lock:
            was_open = self.is_open
            self._open_until = time.monotonic() + OPEN_SECONDS
        if not was_open:
            log.warning(self._name, error=str(error)[:200], seconds=OPEN_SECONDS)

    def close(self) -> None:
        """Call again: the other side has answered."""
        self._open_until = 0.0


breaker = CircuitBreaker("redis_away")
broker_breaker = CircuitBreaker("broker_away")
