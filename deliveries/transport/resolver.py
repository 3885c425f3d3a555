"""Name resolution that ends: `getaddrinfo` knows no timeout, so it runs in threads that callers stop waiting for."""

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from .addresses import AddressPolicy, AddressRefused, IPAddress
from .outcome import ErrorClass, Fault

log = logging.getLogger(__name__)

RESOLVER_THREADS = 32
"""Different names being looked up at once in a process; later ones queue within their own deadline."""
SLOW_LOOKUP = 1.0
"""Seconds; a name that took longer, or that callers stopped waiting for, is a slow one for a while."""
SLOW_FOR = 60.0
"""Seconds for which a slow name is looked up by the threads kept for slow names: a quarter as many."""

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
Lookup = Callable[[str, int], Sequence[AddrInfo]]


def system_lookup(host: str, port: int) -> Sequence[AddrInfo]:
    """Ask the system's resolver for stream addresses, in its order of preference (RFC 6724)."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vetted address, ready to be connected to; holds no name, so nothing can look it up again."""

    family: int
    sockaddr: tuple[Any, ...]
    address: IPAddress


class Pending:
    """A lookup that callers wait for: `future` gives the resolver's answer, or raises what it raised."""

    __slots__ = ("future", "key", "started", "waiters")

    def __init__(self, key: tuple[str, int]) -> None:
        self.key = key
        self.future: Future[Sequence[AddrInfo]] = Future()
        self.waiters = 0
        self.started = False


class _Pool:
    """A queue of lookups with threads of its own."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.workers = 0
        self.queue: queue.SimpleQueue[Pending] = queue.SimpleQueue()


class Resolver:
    """Looks names up with a deadline, and vets every address of the answer.

    One slow name costs one thread however many sends wait for it: callers asking for the same name share a
    lookup. Names that proved slow have threads of their own, so that many of them don't hold up everybody's, and a
    queued lookup that nobody waits for any more is dropped. The threads are daemons, since one stuck in `getaddrinfo`
    must not hold up the end of the process. Answers are not kept: the next new connection asks again.
    """

    def __init__(self, lookup: Lookup = system_lookup, threads: int = RESOLVER_THREADS) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._flying: dict[tuple[str, int], Pending] = {}
        self._slow_until: dict[str, float] = {}
        self._fast, self._slow = _Pool(threads), _Pool(max(1, threads // 4))

    def resolve(self, host: str, port: int, policy: AddressPolicy, timeout: float) -> list[Endpoint]:
        """Return the vetted addresses of a name.

        Args:
            host: The name, ASCII.
            port: The port to connect to.
            policy: Checks each address of the answer; one refused address refuses the name, since a name that
                points to a public and a private address at once is the sign of a rebinding attempt.
            timeout: Seconds to wait.

        Raises:
            Fault: `dns_failed`, `dns_timeout` or `address_refused`.
        """
        pending = self.begin(host, port)
        try:
            pending.future.exception(timeout)
        except TimeoutError as error:
            raise self.give_up(pending, timeout) from error
        return vetted(pending, policy)

    def begin(self, host: str, port: int) -> Pending:
        """Start a lookup, or join the one under way. Whoever stops waiting for it says so by `give_up`."""
        key = (host, port)
        with self._lock:
            pending = self._flying.get(key)
            if pending is None:
                pending = self._flying[key] = Pending(key)
                pool = self._slow if self._slow_until.get(host, 0.0) > time.monotonic() else self._fast
                pool.queue.put(pending)
                if pool.workers < min(pool.limit, len(self._flying)):
                    pool.workers += 1
                    threading.Thread(target=self._work, args=(pool,), name="resolver", daemon=True).start()
            pending.waiters += 1
        return pending

    def give_up(self, pending: Pending, timeout: float) -> Fault:
        """Note that a caller waited `timeout` seconds and waits no more; return what that means for it.

        The name is slow if its lookup had begun; else others held the threads.
        """
        host = pending.key[0]
        with self._lock:
            pending.waiters -= 1
            if pending.started:
                self._note(host, slow=True)
        return Fault(ErrorClass.DNS_TIMEOUT, f"Looking up {host} took longer than {timeout:.3g} s.")

    def _note(self, host: str, *, slow: bool) -> None:
        now = time.monotonic()
        if slow:
            self._slow_until = {name: until for name, until in self._slow_until.items() if until > now}
            self._slow_until[host] = now + SLOW_FOR
        else:
            self._slow_until.pop(host, None)

    def _work(self, pool: _Pool) -> None:
        while True:
            pending = pool.queue.get()
            with self._lock:
                if not pending.waiters:
                    del self._flying[pending.key]
                    continue
                pending.started = True
            self._answer(pending)
            del pending  # an idle thread keeps nothing alive

    def _answer(self, pending: Pending) -> None:
        answer: Sequence[AddrInfo] = ()
        failure: Exception | None = None
        started = time.monotonic()
        try:
            answer = self._lookup(*pending.key)
        except Exception as error:  # noqa: BLE001 whatever it is, it belongs to those who wait for the answer
            failure = error
        with self._lock:
            del self._flying[pending.key]
            self._note(pending.key[0], slow=time.monotonic() - started > SLOW_LOOKUP)
        if failure is None:
            pending.future.set_result(answer)
        else:
            pending.future.set_exception(failure)


def vetted(pending: Pending, policy: AddressPolicy) -> list[Endpoint]:
    """Return the addresses that a finished lookup found, once the policy permits every one of them.

    Raises:
        Fault: `dns_failed` or `address_refused`.
    """
    host = pending.key[0]
    try:
        answer = pending.future.result(0)
    except (OSError, UnicodeError) as error:
        raise Fault(ErrorClass.DNS_FAILED, _explain(host, error)) from error
    endpoints = []
    for family, _type, _proto, _canonical, sockaddr in answer:
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        endpoint = Endpoint(family, sockaddr, ip_address(sockaddr[0]))
        try:
            policy.check_address(endpoint.address)
        except AddressRefused as refused:
            # What our name servers know of the inside is the operator's, not the merchant's who asked for the name.
            log.warning("refused to call %s: %s", host, refused)
            raise Fault(ErrorClass.ADDRESS_REFUSED, f"{host} resolves to an address that is not public.") from refused
        endpoints.append(endpoint)
    if not endpoints:
        raise Fault(ErrorClass.DNS_FAILED, f"{host} has no address.")
    return endpoints


def _explain(host: str, error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5)):
        return f"The name {host} does not exist or has no address."
    return f"The name {host} could not be looked up just now."
