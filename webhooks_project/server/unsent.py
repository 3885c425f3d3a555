"""Answers that clients have not taken yet: a budget for all clients of a process together.

Each client may keep as much waiting as its answer is long, for as long as it takes some of it now and then. So that
many of them don't fill the memory, those whose answers have waited longest are cut off when all together are too much,
down to three fourths: so that not every later write finds too much again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from subscriptions.logs import get_logger

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

log = get_logger(__name__)

ALL_MAX: Final = 64 * 1024 * 1024
"""Bytes of answers that may wait for all clients of a process together."""
KEPT: Final = 0.75
"""The part of that which is left once it was too much."""


class Unsent:
    """What waits for the clients of a process. Lives on the loop's thread."""

    def __init__(self, connections: Collection[Connection]) -> None:
        self._connections = connections
        self._most = 0  # bytes that wait at most: what was taken meanwhile is still counted

    def note(self, connection: Connection, size: int, now: float) -> None:
        """Note that `size` bytes were written to a client; `now` is the loop's time."""
        if not connection.transport.get_write_buffer_size():
            connection.waits_since = None
            return
        if connection.waits_since is None:
            connection.waits_since = now
        self._most += size
        if self._most > ALL_MAX:
            self._look(now)

    def _look(self, now: float) -> None:
        """Look at what really waits; where that is too much, end the connections that have waited longest."""
        sizes = {each: each.transport.get_write_buffer_size() for each in self._connections}
        self._most = sum(sizes.values())
        if self._most <= ALL_MAX:
            return
        slowest = sorted((each for each in sizes if sizes[each]), key=lambda each: each.waits_since or now)
        ended = 0
        for connection in slowest:
            if self._most <= KEPT * ALL_MAX:
                break
            self._most -= sizes[connection]
            connection.transport.abort()
            ended += 1
        log.warning("slow_clients_cut_off", clients=ended, left=self._most)
