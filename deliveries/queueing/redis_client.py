"""The engine's Redis: key names, whether it takes writes, and circuit breakers that rest after a failure."""

from __future__ import annotations

import threading
import time
from typing import Final

import redis

from subscriptions import redis_clients
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

BELL_WAIT_MAX: Final = 1.0
"""Seconds a dispatcher waits for the bell at most in one call."""
BELL_TIMEOUT: Final = BELL_WAIT_MAX + 2.0
"""Seconds until such a call is given up."""
OPEN_SECONDS: Final = 5.0
"""Seconds without calls after a failure: `publish()` never waits for an absent Redis twice in a row."""
SAID_AGAIN: Final = 60.0
"""Seconds after which the log repeats what the other side still says."""

TYPES: Final = {
    "ready": "set", "bell": "list", "dispatchers": "zset", "awake": "zset", "called": "zset", "workers": "zset",
}  # fmt: skip
"""Our keys (queueing/redis_scripts.py) and what they hold, in Redis' words."""


def name(suffix: str) -> str:
    """Return the full name of a key."""
    return f"{settings.REDIS_PREFIX}:{suffix}"


def refusal(timeout: float = redis_clients.TIMEOUT) -> str | None:
    """Write a key, look at ours, and return what is wrong in Redis' words; None if nothing is.

    PING would not do: a full server, or a replica, answers it.
    """
    try:
        with redis_clients.client(timeout).pipeline(transaction=False) as pipeline:
            pipeline.set(name("probe"), 1, px=1000)
            for suffix in TYPES:
                pipeline.type(name(suffix))
            _written, *kinds = pipeline.execute()
    except (redis.RedisError, OSError, ValueError) as error:
        return redis_clients.said(error)
    for (suffix, wanted), kind in zip(TYPES.items(), kinds, strict=True):
        if kind not in {wanted, "none"}:
            return f"WRONGTYPE {name(suffix)} holds a {kind}, not a {wanted}; delete it"
    return None


class CircuitBreaker:
    """Opened by a failure for OPEN_SECONDS; while it is open, nothing is asked of the other side.

    Args:
        name: The log event that says it opened.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._open_until = 0.0
        self._said, self._say_again_at = "", 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Tell whether calls are skipped now."""
        return time.monotonic() < self._open_until

    def open(self, error: Exception | str) -> None:
        """Skip calls for a while. Logged once a minute and where the answer is another, not for each failure."""
        text = error if isinstance(error, str) else redis_clients.said(error)
        with self._lock:
            now = time.monotonic()
            self._open_until = now + OPEN_SECONDS
            is_news = text != self._said or now >= self._say_again_at
            if is_news:
                self._said, self._say_again_at = text, now + SAID_AGAIN
        if is_news:
            log.warning(self._name, error=text)

    def close(self) -> None:
        """Call again: the other side has answered, or is to be asked once more."""
        self._open_until = 0.0


breaker = CircuitBreaker("redis_away")
broker_breaker = CircuitBreaker("broker_away")
