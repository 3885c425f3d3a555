"""Test sends of feeds: which samples wait to be fetched. In Redis for minutes, since a test is no delivery."""

from __future__ import annotations

from typing import Final

import redis

from deliveries.queueing import feed_news, redis_client
from subscriptions import redis_clients

LIFE: Final = 600
"""Seconds for which a sample waits."""
SAMPLES_MAX: Final = 10
"""Samples of a feed that wait; further ones take the place of the oldest."""


def put(webhook_id: int, event: str) -> bool:
    """Let a sample of this event wait in a feed; False where Redis is away."""
    try:
        with redis_clients.client().pipeline() as pipeline:
            pipeline.rpush(_key(webhook_id), event)
            pipeline.ltrim(_key(webhook_id), -SAMPLES_MAX, -1)
            pipeline.expire(_key(webhook_id), LIFE)
            pipeline.execute()
    except redis.RedisError as error:
        redis_client.breaker.open(error)
        return False
    feed_news.announce([webhook_id])
    return True


def take(webhook_id: int) -> list[str]:
    """Return the events of which samples wait, and let them wait no longer; none where Redis is away."""
    if redis_client.breaker.is_open:
        return []
    try:
        with redis_clients.client().pipeline() as pipeline:
            pipeline.lrange(_key(webhook_id), 0, -1)
            pipeline.delete(_key(webhook_id))
            found, _deleted = pipeline.execute()
    except redis.RedisError as error:
        redis_client.breaker.open(error)
        return []
    return [str(name) for name in found]


def _key(webhook_id: int) -> str:
    return redis_client.name(f"feed-tests:{webhook_id}")
