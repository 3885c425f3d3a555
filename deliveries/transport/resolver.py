"""Name resolution that ends: `getaddrinfo` knows no timeout, so it runs in threads that callers stop waiting for."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from .addresses import AddressPolicy, AddressRefused, IPAddress
from .lookups import SLOW_LOOKUP, AddrInfo, LookupThreads, Pending, SlowNames
from .outcome import ErrorClass, Fault

log = logging.getLogger(__name__)

RESOLVER_THREADS = 64
"""Different names being looked up at once in a process; later ones queue within their own deadline."""

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


class Resolver:
    """Looks names up with a deadline, and vets every address of the answer.

    One slow name costs one thread however many sends wait for it: callers asking for the same name share a
    lookup. Names that proved slow have threads of their own, so that many of them don't hold up everybody's; no
    owner's names hold more than their share of either; and a queued lookup that nobody waits for any more is dropped.
    Answers are not kept: the next new connection asks again.
    """

    def __init__(self, lookup: Lookup = system_lookup, threads: int = RESOLVER_THREADS) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._flying: dict[tuple[str, int], Pending] = {}
        self._slow = SlowNames()
        self._threads, self._slow_threads = (
            LookupThreads(limit, self._lock, self._slow, self._answer, self._drop)
            for limit in (threads, max(1, threads // 4))
        )

    def resolve(
        self, host: str, port: int, policy: AddressPolicy, timeout: float, owner: Hashable = None
    ) -> list[Endpoint]:
        """Return the vetted addresses of a name.

        Args:
            host: The name, ASCII.
            port: The port to connect to.
            policy: Checks each address of the answer; one refused address refuses the name, since a name that
                points to a public and a private address at once is the sign of a rebinding attempt.
            timeout: Seconds to wait.
            owner: In whose share of the threads; None: no share bounds it.

        Raises:
            Fault: `dns_failed`, `dns_timeout` or `address_refused`.
        """
        pending = self.begin(host, port, owner)
        try:
            pending.future.exception(timeout)
        except TimeoutError as error:
            raise self.give_up(pending, timeout) from error
        return vetted(pending, policy)

    def begin(self, host: str, port: int, owner: Hashable = None) -> Pending:
        """Start a lookup, or join the one under way. Whoever stops waiting for it says so by `give_up`.

        One that waits for its turn in another owner's share waits in this owner's, too.
        """
        key = (host, port)
        with self._lock:
            pending = self._flying.get(key)
            if pending is None:
                pending = self._flying[key] = Pending(key)
            pending.waiters += 1
            if owner not in pending.owners:
                pending.owners.add(owner)
                if not pending.started:
                    (self._slow_threads if host in self._slow else self._threads).put(pending, owner)
        return pending

    def give_up(self, pending: Pending, timeout: float) -> Fault:
        """Note that a caller waited `timeout` seconds and waits no more; return what that means for it.

        The name is slow if its lookup had begun; else others held the threads.
        """
        host = pending.key[0]
        with self._lock:
            pending.waiters -= 1
            if pending.started:
                self._slow.note(host, pending.owners)
        return Fault(ErrorClass.DNS_TIMEOUT, f"Looking up {host} took longer than {timeout:.3g} s.")

    def _drop(self, pending: Pending) -> None:
        pending.started = True  # wherever else it is queued
        del self._flying[pending.key]

    def _answer(self, pending: Pending) -> None:
        answer: Sequence[AddrInfo] = ()
        failure: Exception | None = None
        started = time.monotonic()
        try:
            answer = self._lookup(*pending.key)
        except Exception as error:  # noqa: BLE001 whatever it is, it belongs to those who wait for the answer
            failure = error
        is_slow = time.monotonic() - started > SLOW_LOOKUP
        with self._lock:
            del self._flying[pending.key]
            (self._slow.note if is_slow else self._slow.forget)(pending.key[0], pending.owners)
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
