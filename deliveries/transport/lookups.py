"""Which name is looked up next, and on which thread: owners take turns, and none can hold all threads."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

SLOW_LOOKUP = 1.0
"""Seconds; a name that took longer, or that callers stopped waiting for, is a slow one for a while."""
SLOW_FOR = 60.0
"""Seconds for which a slow name is looked up by the threads kept for slow names: a quarter as many."""
SLOW_NAMES_MAX = 4
"""Slow names that an owner may have at a time; with more, its other names have few threads, too: new ones follow."""
SHARE, SMALL_SHARE = 4, 32
"""An owner's lookups hold one thread in so many; in so many where too many of its names are slow."""
_OWNERS_MAX = 1000

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class Pending:
    """A lookup that callers wait for: `future` gives the resolver's answer, or raises what it raised."""

    __slots__ = ("future", "key", "owners", "started", "waiters")

    def __init__(self, key: tuple[str, int]) -> None:
        self.key = key
        self.future: Future[Sequence[AddrInfo]] = Future()
        self.owners: set[Hashable] = set()
        self.waiters = 0
        self.started = False


class SlowNames:
    """Names whose name servers kept us waiting, and whose they are. Not locked: its user is."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._of: dict[Hashable, dict[str, float]] = {}

    def __contains__(self, host: str) -> bool:
        return self._until.get(host, 0.0) > time.monotonic()

    def are_many(self, owner: Hashable) -> bool:
        """Tell whether the owner has more slow names than it may have."""
        of = self._of.get(owner)
        return of is not None and len(of) > SLOW_NAMES_MAX and len(_alive(of)) > SLOW_NAMES_MAX

    def note(self, host: str, owners: Iterable[Hashable]) -> None:
        """Note a slow name."""
        until = time.monotonic() + SLOW_FOR
        self._until = _alive(self._until) | {host: until}
        for owner in owners:
            self._of[owner] = _alive(self._of.get(owner, {})) | {host: until}
        if len(self._of) > _OWNERS_MAX:
            self._of = {owner: alive for owner, of in self._of.items() if (alive := _alive(of))}

    def forget(self, host: str, owners: Iterable[Hashable]) -> None:
        """Note that a name is quick."""
        self._until.pop(host, None)
        for owner in owners:
            self._of.get(owner, {}).pop(host, None)


def _alive(until: dict[str, float]) -> dict[str, float]:
    now = time.monotonic()
    return {host: end for host, end in until.items() if end > now}


class LookupThreads:
    """Threads that do lookups, started as they are needed, and a queue of what waits for them.

    They are daemons, since one stuck in `getaddrinfo` must not hold up the end of the process.

    Args:
        limit: Threads there may be.
        lock: Held around each call; the threads take it, too.
        slow: Whose owners have a small share.
        look_up: Does a lookup, on one of the threads, without the lock.
        drop: Called, with the lock, for what nobody waits for any more.
    """

    def __init__(
        self,
        limit: int,
        lock: threading.Lock,
        slow: SlowNames,
        look_up: Callable[[Pending], None],
        drop: Callable[[Pending], None],
    ) -> None:
        self._limit = limit
        self._slow, self._look_up, self._drop = slow, look_up, drop
        self._wanted = threading.Condition(lock)
        self._waiting: dict[Hashable, deque[Pending]] = {}  # in the order of their turns
        self._held: Counter[Hashable] = Counter()
        self._threads = self._idle = 0

    def put(self, pending: Pending, owner: Hashable) -> None:
        """Queue a lookup for an owner; it may be queued for several."""
        self._waiting.setdefault(owner, deque()).append(pending)
        if self._idle:
            self._idle -= 1  # one that is woken counts as busy at once
            self._wanted.notify()
        elif self._threads < self._limit:
            self._threads += 1
            threading.Thread(target=self._work, name="resolver", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._wanted:
                while (found := self._next()) is None:
                    self._idle += 1
                    self._wanted.wait()
                pending, owner = found
                pending.started = True
                self._held[owner] += 1
            self._look_up(pending)
            with self._wanted:
                self._held[owner] -= 1
                if not self._held[owner]:
                    del self._held[owner]
            del pending, found  # an idle thread keeps nothing alive

    def _next(self) -> tuple[Pending, Hashable] | None:
        for owner in list(self._waiting):
            if self._held[owner] >= self._share(owner):
                continue
            queue = self._waiting.pop(owner)
            while queue:
                pending = queue.popleft()
                if pending.started:
                    continue
                if not pending.waiters:
                    self._drop(pending)
                    continue
                if queue:
                    self._waiting[owner] = queue  # behind the others
                return pending, owner
        return None

    def _share(self, owner: Hashable) -> int:
        if owner is None:
            return self._limit
        return max(1, self._limit // (SMALL_SHARE if self._slow.are_many(owner) else SHARE))
