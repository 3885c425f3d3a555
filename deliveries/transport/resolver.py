"""Name resolution that ends: `getaddrinfo` knows no timeout, so it runs in threads that callers stop waiting for."""

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from .addresses import AddressPolicy, AddressRefused, IPAddress
from .outcome import ErrorClass, Fault

RESOLVER_THREADS = 16
"""Different names being looked up at once in a process; later ones queue within their own deadline."""

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
Lookup = Callable[[str, int], Sequence[AddrInfo]]


def system_lookup(host: str, port: int) -> Sequence[AddrInfo]:
    """Ask the system's resolver for stream addresses, in its order of preference (RFC 6724)."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vetted address, ready for `socket.connect`; holds no name, so nothing can look it up again."""

    family: int
    sockaddr: tuple[Any, ...]
    address: IPAddress


class Resolver:
    """Looks names up with a deadline, and vets every address of the answer.

    One slow name costs one thread however many sends wait for it: callers asking for the same name share a
    lookup. The threads are daemons, since one stuck in `getaddrinfo` must not hold up the end of the process.
    Answers are not kept: the next new connection asks again.
    """

    def __init__(self, lookup: Lookup = system_lookup, threads: int = RESOLVER_THREADS) -> None:
        self._lookup = lookup
        self._limit = threads
        self._workers = 0
        self._lock = threading.Lock()
        self._flying: dict[tuple[str, int], Future[Sequence[AddrInfo]]] = {}
        self._queue: queue.SimpleQueue[tuple[tuple[str, int], Future[Sequence[AddrInfo]]]] = queue.SimpleQueue()

    def resolve(self, host: str, port: int, policy: AddressPolicy, timeout: float) -> list[Endpoint]:
        """Return the vetted addresses of a name.

        Args:
            host: The name, ASCII.
            port: The port to connect to.
            policy: Judges each address of the answer; one refused address refuses the name, since a name that
                points to a public and a private address at once is the sign of a rebinding attempt.
            timeout: Seconds to wait.

        Raises:
            Fault: `dns_failed`, `dns_timeout` or `address_refused`.
        """
        try:
            answer = self._ask(host, port).result(timeout)
        except TimeoutError as error:
            raise Fault(ErrorClass.DNS_TIMEOUT, f"Looking up {host} took longer than {timeout:.3g} s.") from error
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
                raise Fault(ErrorClass.ADDRESS_REFUSED, f"{host} resolves to {refused}.") from refused
            endpoints.append(endpoint)
        if not endpoints:
            raise Fault(ErrorClass.DNS_FAILED, f"{host} has no address.")
        return endpoints

    def _ask(self, host: str, port: int) -> Future[Sequence[AddrInfo]]:
        key = (host, port)
        with self._lock:
            future = self._flying.get(key)
            if future is None:
                future = self._flying[key] = Future()
                self._queue.put((key, future))
                if self._workers < min(self._limit, len(self._flying)):
                    self._workers += 1
                    threading.Thread(target=self._work, name=f"resolver-{self._workers}", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            key, future = self._queue.get()
            answer: Sequence[AddrInfo] = ()
            failure: Exception | None = None
            try:
                answer = self._lookup(*key)
            except Exception as error:  # noqa: BLE001 whatever it is, it belongs to those who wait for the answer
                failure = error
            with self._lock:
                del self._flying[key]
            if failure is None:
                future.set_result(answer)
            else:
                future.set_exception(failure)
            del future, failure, answer  # an idle thread keeps nothing alive


def _explain(host: str, error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5)):
        return f"The name {host} does not exist or has no address."
    return f"The name {host} could not be looked up just now."
