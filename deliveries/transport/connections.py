"""urllib3 connections that dial vetted addresses with deadline sockets."""

import errno
import http.client
import socket
import ssl
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from .outcome import ErrorClass, Fault
from .resolver import Endpoint
from .tls import explain_tls
from .wire import DeadlineSocket, Exchange, active

KEEP_IDLE_SECONDS = 15.0
"""A kept connection unused for longer is closed, not used again."""
MAX_INTERIM_ANSWERS = 10
"""So many 1xx answers may precede the real one."""
MAX_ADDRESSES_TRIED = 4
"""So many addresses of a name are tried before a connect is given up."""

QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class Answer(http.client.HTTPResponse):
    """http.client's response, with interim answers skipped and every malformation raised as a `Fault`."""

    _interim = 0

    def begin(self) -> None:
        """Read the head."""
        try:
            super().begin()
        except http.client.LineTooLong:
            raise Fault(ErrorClass.INVALID_RESPONSE, "The answer has a header line that is too long.") from None
        except (http.client.HTTPException, ValueError):
            raise Fault(ErrorClass.INVALID_RESPONSE, "The answer is not HTTP, or its headers are malformed.") from None
        # A malformed header line ends the headers for http.client, which is good enough for an answer whose status is
        # known. urllib3 would log a traceback with the URL for each: a receiver could flood our logs with them.
        self.msg.defects.clear()
        self.msg.set_payload("")

    def _read_status(self) -> tuple[str, int, str]:
        # http.client skips 100 only, without end. 102 and 103 are as legal (RFC 9110 §15.2); 101 answers an Upgrade
        # we never send.
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            self._interim += 1
            if status == 101 or self._interim > MAX_INTERIM_ANSWERS:
                raise http.client.HTTPException("interim answers")
            http.client._read_headers(self.fp)  # type: ignore[attr-defined]


class _Dialing:
    """What plain and TLS connections share: dialing, ageing, and knowing when a request has left."""

    response_class: Any = Answer
    idle_since = 0.0
    peer: str | None = None
    sock: Any
    _pieces: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        exchange = active.exchange
        sock = dial(exchange)
        self.peer = exchange.address
        return sock

    @property
    def is_connected(self) -> bool:
        """Whether this kept connection may carry another request: young, and not closed by the receiver meanwhile."""
        if active.exchange.fresh or self.is_stale(time.monotonic()):
            return False
        return super().is_connected  # type: ignore[misc]

    def is_stale(self, now: float) -> bool:
        """Whether the connection has been idle for too long at `now` (`time.monotonic`)."""
        return now - self.idle_since > KEEP_IDLE_SECONDS

    def send(self, data: Any) -> None:
        """Collect head and body, so that they leave in one packet and one TLS record where they fit."""
        assert self._pieces is not None
        self._pieces.append(data)

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = active.exchange
        if self.sock is not None:
            exchange.address = self.peer
        pieces: list[bytes] = []
        self._pieces = pieces
        super().request(*args, **kwargs)  # type: ignore[misc]
        self._pieces = None
        super().send(b"".join(pieces))  # type: ignore[misc]
        exchange.sent = time.monotonic()
        if QUICK_ACK is not None:
            # Many receivers write head and body apart with Nagle's algorithm on: the body then waits for our
            # acknowledgement of the head, which Linux holds back for 40 ms. The option wears off, so each time anew.
            self.sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)


class PlainConnection(_Dialing, HTTPConnection):
    """A kept or new HTTP connection."""


class TLSConnection(_Dialing, HTTPSConnection):
    """A kept or new HTTPS connection."""

    def connect(self) -> None:
        """Dial and shake hands; the certificate is checked against the URL's host, never the address.

        urllib3's own version adjusts the shared SSL context at each connect, which is not safe among threads.
        """
        exchange = active.exchange
        self.sock = self._new_conn()
        began = time.monotonic()
        try:
            self.sock = exchange.tls.wrap_socket(self.sock, server_hostname=exchange.target.host)
        except TimeoutError:
            raise Fault(
                ErrorClass.RESPONSE_TIMEOUT, f"The receiver was not done with TLS within {exchange.total:.3g} s."
            ) from None
        except OSError as error:  # ssl.SSLError among them
            raise Fault(ErrorClass.TLS_FAILED, explain_tls(error, exchange.target.host)) from error
        exchange.tls_ms = (time.monotonic() - began) * 1000
        self.is_verified = exchange.tls.verify_mode is ssl.CERT_REQUIRED


def dial(exchange: Exchange) -> socket.socket:
    """Open a TCP connection to a vetted address of the exchange's target.

    The connect deadline covers resolution and all addresses; each address gets an equal share of what is left,
    so that one black hole among them doesn't use up the others' time.

    Raises:
        Fault: No address could be resolved, was permitted or answered.
    """
    target = exchange.target
    exchange.opened = True
    endpoints = [target.endpoint] if target.endpoint else _resolve(exchange)
    endpoints = endpoints[:MAX_ADDRESSES_TRIED]
    began = time.monotonic()
    failure: OSError | None = None
    for position, endpoint in enumerate(endpoints):
        left = exchange.connect_by - time.monotonic()
        if left <= 0:
            failure = failure or TimeoutError()
            break
        exchange.address = str(endpoint.address)
        try:
            sock = _open(endpoint, left / (len(endpoints) - position))
        except OSError as error:
            if failure is None or failure.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL):
                failure = error  # "no IPv6 here" says less about the receiver than any other address' failure
            continue
        exchange.connect_ms = (time.monotonic() - began) * 1000
        return sock
    raise _connect_fault(failure, exchange) from failure


def _resolve(exchange: Exchange) -> list[Endpoint]:
    began = time.monotonic()
    left = max(0.0, exchange.connect_by - began)
    try:
        return exchange.resolver.resolve(exchange.target.host, exchange.target.port, exchange.policy, left)
    finally:
        exchange.dns_ms = (time.monotonic() - began) * 1000


def _open(endpoint: Endpoint, timeout: float) -> socket.socket:
    sock = DeadlineSocket(endpoint.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect(endpoint.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_fault(failure: OSError | None, exchange: Exchange) -> Fault:
    target = exchange.target
    where = f"{target.host} port {target.port}"
    if isinstance(failure, TimeoutError):
        seconds = exchange.connect_by - exchange.started
        return Fault(ErrorClass.CONNECT_TIMEOUT, f"No connection to {where} within {seconds:.3g} s.")
    if isinstance(failure, ConnectionRefusedError):
        return Fault(ErrorClass.CONNECT_REFUSED, f"Nothing accepts connections at {where}.")
    if failure is not None and failure.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
        return Fault(ErrorClass.INTERNAL, "The sending machine ran out of sockets.")
    return Fault(ErrorClass.UNREACHABLE, f"The network found no way to {where}.")
