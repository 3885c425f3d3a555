"""Lua scripts on Redis, called with little ado: every event asks several."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import redis


class Script:
    """A script, called on a connection of a client's pool.

    redis-py's own way (`register_script`) packs commands value by value, and wraps each call in retries and metrics:
    nearly half of what a call costs. A call that fails is not repeated here either.
    """

    def __init__(self, client: redis.Redis, text: str) -> None:
        self._pool = client.connection_pool
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, *, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Return what the script returns. Raises redis.RedisError."""
        values = [str(len(keys)), *keys, *map(str, args)]
        connection = self._pool.get_connection()
        try:
            try:
                return _ask(connection, ["EVALSHA", self._sha, *values])
            except redis.exceptions.NoScriptError:  # a Redis that was restarted, or another one
                return _ask(connection, ["EVAL", self._text, *values])
        finally:
            self._pool.release(connection)


def _ask(connection: Any, words: Sequence[str]) -> Any:
    encoded = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(encoded), *[b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded]]
    connection.send_packed_command([b"".join(parts)])
    return connection.read_response()
