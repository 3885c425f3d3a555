"""`Transport`: the one place from which HTTP leaves the house."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import lru_cache

from .addresses import AddressPolicy
from .exchange import Done, Exchange
from .outcome import ErrorClass, Outcome, Request
from .pool import MAX_KEPT, MAX_KEPT_BY_OWNER, ConnectionPool
from .resolver import RESOLVER_THREADS, Lookup, Resolver, system_lookup
from .tls import authorities
from .transfers import Transfers
from .urls import UrlRefused, read_url


class Transport:
    """Sends requests, thousands at a time, from one thread that starts with the first. One instance a process.

    Args:
        policy: Decides URLs and addresses, at every send and every connect.
        max_kept: Idle connections kept in all.
        max_kept_by_owner: Idle connections kept for one `Request.connection_owner` at one origin.
        ca_file: PEM file of authorities trusted besides the public ones.
        resolver_threads: Different names looked up at once.
        lookup: Replaces the system's resolver, `(host, port)` to `getaddrinfo` tuples.

    Raises:
        OSError, ssl.SSLError: `ca_file` is missing or holds no certificates.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        max_kept: int = MAX_KEPT,
        max_kept_by_owner: int = MAX_KEPT_BY_OWNER,
        ca_file: str | None = None,
        resolver_threads: int = RESOLVER_THREADS,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._policy = policy
        self._resolver = Resolver(lookup, resolver_threads)
        self._authorities = authorities(ca_file)
        self._max_kept = max_kept
        self._max_kept_by_owner = max_kept_by_owner
        self._read_url = lru_cache(maxsize=4096)(lambda url: read_url(url, policy))
        self._transfers: Transfers | None = None
        self._making = threading.RLock()

    def submit(self, request: Request, done: Done) -> None:
        """Send the request, and call `done` with its `Outcome` when it is over.

        Never raises for what network or receiver do. The connect deadline covers name resolution and TCP, over all
        addresses; the total deadline covers everything else with them, the TLS handshake too. An answer's status
        decides as soon as its head is complete: a 2xx whose body never ends is delivered, since sending again would
        only make a duplicate.

        Args:
            request: What to send.
            done: Called on the transport's thread, which carries everybody's requests: it must be quick.
        """
        try:
            exchange = Exchange(request, self._read_url(request.url), done)
        except UrlRefused as refused:
            outcome = Outcome(error=ErrorClass.ADDRESS_REFUSED, detail=str(refused), total_ms=0.0, permanent=True)
            with self._making:
                self._running().loop.post(done, outcome)
            return
        with self._making:  # so that `close` can't end the thread in between
            transfers = self._running()
            transfers.loop.post(transfers.begin, exchange)

    @property
    def waiting(self) -> int:
        """How many requests, about, its thread has not begun with."""
        transfers = self._transfers
        return transfers.loop.waiting if transfers is not None else 0

    def send(self, request: Request) -> Outcome:
        """Send the request, wait for its end, and return what came of it. See `submit`."""
        outcomes: list[Outcome] = []
        over = threading.Lock()
        over.acquire()

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            over.release()

        self.submit(request, done)
        with over:
            return outcomes[0]

    def close_idle(self) -> int:
        """Close connections that nobody has used for a while; return how many. The transport does so now and then."""
        closed: list[int] = []
        self._ask(lambda transfers: closed.append(transfers.idle.close_stale()))
        return sum(closed)

    def close(self) -> None:
        """Close the connections that nobody uses, and end the thread when what is open has ended."""
        with self._making:
            self._ask(lambda transfers: transfers.idle.close_idle())
            if self._transfers is not None:
                self._transfers.loop.stop()
                self._transfers = None

    def __del__(self) -> None:
        transfers = getattr(self, "_transfers", None)
        if transfers is not None and transfers.loop.pid == os.getpid():
            transfers.loop.stop()

    def _ask(self, what: Callable[[Transfers], object]) -> None:
        """Have the transport's thread do something, if there is one, and wait until it did."""
        transfers = self._transfers
        if transfers is None or transfers.loop.pid != os.getpid():
            return
        over = threading.Event()

        def do() -> None:
            try:
                what(transfers)
            finally:
                over.set()

        transfers.loop.post(do)
        over.wait(10)

    def _running(self) -> Transfers:
        transfers = self._transfers
        if transfers is None or transfers.loop.pid != os.getpid():  # a forked child has no thread of its parent's
            ca_file = self._authorities.name if self._authorities else None
            pool = ConnectionPool(self._max_kept, self._max_kept_by_owner)
            transfers = self._transfers = Transfers(self._policy, self._resolver, pool, ca_file)
            transfers.loop.start()
        return transfers
