"""The kept connections, by origin."""

import threading
import time
from collections import OrderedDict
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from .connections import PlainConnection, TLSConnection


class _Kept:
    """Pool behaviour: stamp what comes back, and close what is too much without a log line for each."""

    pool: Any

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
            if self.pool is None or self.pool.full():
                conn.close()
                return
        super()._put_conn(conn)  # type: ignore[misc]

    def close_idle(self, now: float, *, everything: bool = False) -> int:
        """Close the connections nobody has used for `KEEP_IDLE_SECONDS`, or all kept ones; return how many."""
        kept = self.pool
        with kept.mutex:  # the queue stays as long as it was: None is urllib3's "make a new one"
            stale = [conn for conn in kept.queue if conn is not None and (everything or conn.is_stale(now))]
            kept.queue[:] = [None if conn in stale else conn for conn in kept.queue]
        for conn in stale:
            conn.close()
        return len(stale)


class PlainPool(_Kept, HTTPConnectionPool):
    """The kept HTTP connections of one origin."""

    ConnectionCls = PlainConnection


class TLSPool(_Kept, HTTPSConnectionPool):
    """The kept HTTPS connections of one origin."""

    ConnectionCls = TLSConnection


class Pools:
    """The pools by origin, the least recently used dropped beyond `max_pools`."""

    def __init__(self, max_pools: int, maxsize: int) -> None:
        self._max_pools = max_pools
        self._maxsize = maxsize
        self._lock = threading.Lock()
        self._pools: OrderedDict[tuple[str, str, int], PlainPool | TLSPool] = OrderedDict()

    def get(self, scheme: str, host: str, port: int) -> PlainPool | TLSPool:
        """Return the pool of an origin, made when it is new."""
        key = (scheme, host, port)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                kind = TLSPool if scheme == "https" else PlainPool
                pool = self._pools[key] = kind(host, port=port, maxsize=self._maxsize)
                if len(self._pools) > self._max_pools:
                    # Not closed here: a thread may be about to take a connection. urllib3 closes the kept
                    # connections of a pool when the last reference to it goes.
                    self._pools.popitem(last=False)
            else:
                self._pools.move_to_end(key)
        return pool

    def close_idle(self, now: float) -> int:
        """Close idle connections in every pool; return how many."""
        with self._lock:
            pools = list(self._pools.values())
        return sum(pool.close_idle(now) for pool in pools)

    def clear(self) -> None:
        """Forget all pools and close what they keep; sends in flight finish on their own connections."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close_idle(0.0, everything=True)
