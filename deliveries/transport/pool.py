"""The kept connections: each belongs to an owner (a webhook at its origin), rests between uses, and is watched there.

HTTP/1.1 knows no numbers: what comes next on a connection is the answer to the request that left last. An endpoint that
writes more than one answer to a request (an error page after the answer, a body after a 204, a stray line break) gives
the next request an answer that isn't its own, if only the next request leaves before those bytes come. So:

- Connections are never shared between owners: whatever an endpoint writes, it writes about its own deliveries.
- A connection is used again only after it was quiet for `REST_SECONDS`; anything that comes meanwhile ends it.
- A new owner's connections rest for `PROBATION_SECONDS`, until one of them was quiet so long: an endpoint with bad
  habits shows them before a second request goes over any of its connections, even on a slow day.
- An owner on whose connection anything unexpected came is distrusted: its connections are closed, and each request
  gets one of its own for `DISTRUST_SECONDS`.

Owned by the transport's thread, like `Loop`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .connection import Connection
from .exchange import Exchange

REST_SECONDS = 0.05
PROBATION_SECONDS = 0.25
DISTRUST_SECONDS = 3600.0
KEEP_IDLE_SECONDS = 15.0
"""A kept connection unused for longer is closed, not used again."""
MAX_KEPT = 2048
"""Idle connections of a process; the least recently used goes first."""
MAX_KEPT_BY_OWNER = 64
"""Idle connections of one owner."""
MAX_OWNERS = 16_384
"""Owners whose habits are remembered; the one heard of longest ago is forgotten first."""
WAIT_FROM = 16
"""An owner with so many connections waits for one to have rested rather than opening yet another."""

Key = tuple[Any, ...]


class _Owner:
    """What is known of an owner: idle connections, the longest idle first, and whether it keeps them clean."""

    __slots__ = ("busy", "distrusted_until", "idle", "proven")

    def __init__(self) -> None:
        self.idle: OrderedDict[Connection, None] = OrderedDict()
        self.busy = 0
        self.proven = False
        self.distrusted_until = 0.0


class ConnectionPool:
    """Knows the owners and their idle connections. It closes nothing itself: it returns what is to be closed."""

    def __init__(self, max_idle: int = MAX_KEPT, max_owner_idle: int = MAX_KEPT_BY_OWNER) -> None:
        self._max_idle = max_idle
        self._max_owner_idle = max_owner_idle
        self._owners: OrderedDict[Key, _Owner] = OrderedDict()
        self._idle: OrderedDict[Connection, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._idle)

    def may_keep(self, key: Key, now: float) -> bool:
        """Tell whether a new connection of this owner is to be kept; it counts as busy from now on if so."""
        owner = self._owner(key)
        if owner.distrusted_until > now:
            return False
        owner.busy += 1
        return True

    def take(self, key: Key, now: float) -> Connection | None:
        """Return an idle connection that has rested, the one used last of them; it counts as busy from now on."""
        owner = self._owners.get(key)
        if owner is None:
            return None
        self._owners.move_to_end(key)
        rested = now - (REST_SECONDS if owner.proven else PROBATION_SECONDS)
        for connection in reversed(owner.idle):
            if connection.idle_since <= rested and connection.reserved is None:
                if connection.idle_since < now - KEEP_IDLE_SECONDS:
                    return None
                owner.proven = True
                self._take_out(owner, connection)
                owner.busy += 1
                return connection
        return None

    def reserve(self, key: Key, exchange: Exchange) -> Connection | None:
        """Return a resting connection of an owner that has many, promised to this exchange for when it has rested."""
        owner = self._owners.get(key)
        if owner is None or not owner.proven or owner.busy + len(owner.idle) < WAIT_FROM:
            return None
        for connection in owner.idle:
            if connection.reserved is None:
                connection.reserved = exchange
                return connection
        return None

    def take_reserved(self, connection: Connection) -> None:
        """Take out a connection whose rest is over, for the exchange that waits for it."""
        assert connection.key is not None
        owner = self._owners[connection.key]
        self._take_out(owner, connection)
        owner.busy += 1

    def put(self, connection: Connection, now: float) -> list[Connection]:
        """Keep a busy connection, whose answer has ended; return those there is no room for any more."""
        assert connection.key is not None
        owner = self._owners[connection.key]
        owner.busy -= 1
        if owner.distrusted_until > now:
            return [connection]
        if len(owner.idle) >= self._max_owner_idle:
            return [connection]  # not the oldest: at a busy webhook none would ever have rested
        connection.idle_since = now
        owner.idle[connection] = self._idle[connection] = None
        if len(self._idle) <= self._max_idle:
            return []
        oldest = next(iter(self._idle))
        self.drop(oldest)
        return [oldest]

    def lose(self, key: Key) -> None:
        """Note that a busy connection has ended and comes back no more."""
        self._owners[key].busy -= 1

    def drop(self, connection: Connection) -> bool:
        """Forget an idle connection; False when it wasn't one."""
        if connection not in self._idle:
            return False
        assert connection.key is not None
        self._take_out(self._owners[connection.key], connection)
        return True

    def distrust(self, key: Key, now: float) -> list[Connection]:
        """Remember that an owner's endpoint writes what nobody asked for; return its idle connections, to be closed."""
        owner = self._owner(key)
        owner.distrusted_until = now + DISTRUST_SECONDS
        owner.proven = False
        idle = list(owner.idle)
        for connection in idle:
            self._take_out(owner, connection)
        return idle

    def stale(self, now: float) -> list[Connection]:
        """Take out the connections nobody has used for `KEEP_IDLE_SECONDS`, and return them."""
        stale = []
        while self._idle:
            connection = next(iter(self._idle))
            if connection.idle_since >= now - KEEP_IDLE_SECONDS:
                break
            self.drop(connection)
            stale.append(connection)
        return stale

    def everything(self) -> list[Connection]:
        """Take out all idle connections, and return them."""
        idle = list(self._idle)
        for connection in idle:
            self.drop(connection)
        return idle

    def _owner(self, key: Key) -> _Owner:
        owner = self._owners.get(key)
        if owner is None:
            owner = self._owners[key] = _Owner()
            if len(self._owners) > MAX_OWNERS:
                self._forget_one()
        return owner

    def _forget_one(self) -> None:
        key, owner = next(iter(self._owners.items()))
        if owner.idle or owner.busy:
            self._owners.move_to_end(key)
        else:
            del self._owners[key]

    def _take_out(self, owner: _Owner, connection: Connection) -> None:
        del owner.idle[connection]
        del self._idle[connection]
