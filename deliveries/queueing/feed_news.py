"""News of feeds: who waits for a feed hears through Redis that something was committed for it.

A lost word costs those who wait a second: they look at the database, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import redis

from deliveries.queueing import redis_client
from subscriptions import redis_clients


def announce(webhook_ids: Iterable[int]) -> None:
    """Say that these webhooks' feeds have something new; others than feeds are no matter. Never raises for Redis."""
    ids = " ".join(map(str, webhook_ids))
    if not ids or redis_client.breaker.is_open:
        return
    try:
        redis_clients.client().publish(redis_client.name("feeds"), ids)
    except redis.RedisError as error:
        redis_client.breaker.open(error)


class Listener:
    """Hears what is announced, on a connection of its own."""

    def __init__(self) -> None:
        self._channel: Any = None

    def hear(self, seconds: float) -> set[int]:
        """Return the webhooks that were named, after `seconds` at most. Raises redis.RedisError."""
        if self._channel is None:
            client: Any = redis_clients.client(redis_client.BELL_TIMEOUT)
            channel = client.pubsub(ignore_subscribe_messages=True)
            channel.subscribe(redis_client.name("feeds"))
            self._channel = channel
        try:
            message = self._channel.get_message(timeout=seconds)
        except redis.RedisError:
            self.close()
            raise
        return {int(pk) for pk in message["data"].split()} if message else set()

    def close(self) -> None:
        """Let go of the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
