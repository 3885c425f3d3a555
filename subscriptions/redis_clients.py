"""The one way to Redis: who asks it gets a client here, with deadlines that fit whoever waits.

Wake-ups, limits, health and doctor use the same address, options and words for what went wrong.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from subscriptions import server_urls
from subscriptions.conf import settings

TIMEOUT: Final = 0.3
"""Seconds an answer may take where a request or `publish()` waits for it."""
KEEPALIVE: Final = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 7000}
"""Seconds, a count, and milliseconds: a host that vanished is noticed within some 7 s, also by who only waits."""


def client(timeout: float = TIMEOUT, url: str = "") -> redis.Redis:
    """Return this process' client with that deadline, made at the first call; its connections are shared.

    Args:
        timeout: Seconds within which each call is answered, or raises redis.RedisError. Nothing is tried twice.
        url: Of another server than REDIS_URL.
    """
    return _made(url or settings.REDIS_URL, timeout)


@lru_cache(maxsize=16)
def _made(url: str, timeout: float) -> redis.Redis:
    server = server_urls.redis_server(url)
    waits: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 2.0),
        "retry": Retry(NoBackoff(), 0),
    }
    if not server.path:
        waits |= {"socket_keepalive": True, "socket_keepalive_options": keepalive()}
    options: dict[str, Any] = {**waits, "health_check_interval": 0, "decode_responses": True}
    if not server.master:
        return redis.Redis.from_url(url, **options)
    encrypted = {"ssl": True, **server.tls} if server.tls else {}
    untyped: Any = Sentinel
    sentinels = untyped(server.hosts, sentinel_kwargs={**waits, **server.sentinel, **encrypted})
    credentials = {"username": server.username or None, "password": server.password or None}
    master: redis.Redis = sentinels.master_for(server.master, db=server.database, **credentials, **options, **encrypted)
    return master


def keepalive() -> dict[int, int]:
    """Return KEEPALIVE as socket options, those that this system knows."""
    return {getattr(socket, name): value for name, value in KEEPALIVE.items() if hasattr(socket, name)}


def said(error: BaseException) -> str:
    """Return an error in one line, with the word that Redis began its answer with (OOM, READONLY): redis-py cuts it."""
    word = getattr(error, "status_code", None)
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{word} {text}"[:200] if word and not text.startswith(str(word)) else text[:200]
