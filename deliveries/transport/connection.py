"""A connection: one of libcurl's easy handles, and the only connection that it may open, keep and use again.

libcurl keeps connections by where they lead. Each of ours leads, for libcurl, to a host with a name of its own
(`CONNECT_TO`), which its name cache gives the one vetted address (`RESOLVE`). So a request that names the connection
can go over no other, and no other request can go over it. The name ends in `.localhost`, which libcurl never asks a
name server for, and the open-socket callback refuses every address but the vetted one: whatever libcurl does on its own
account (connect anew, say, because the kept connection broke), nothing leaves for a place that was not vetted.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import certifi
import pycurl

from .answer import BODY_WIRE_BYTES, Answer
from .exchange import Exchange
from .outcome import ClientCertificate, Request
from .pins import Pins
from .resolver import Endpoint

if TYPE_CHECKING:
    from .loop import Loop

USER_AGENT = "Merchant-Webhooks/1"
BUFFER_BYTES = 16 * 1024
"""libcurl reads at most so much at once; what it sends goes through a buffer of the same size."""

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
_BYTES_RECEIVED = 128  # offset in Linux' struct tcp_info

_serial = itertools.count(1)

_ALWAYS: tuple[tuple[int, Any], ...] = (
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PROXY, ""),  # the empty name is libcurl's "none, whatever the environment says"
    (pycurl.NOPROXY, "*"),
    (pycurl.NETRC, pycurl.NETRC_IGNORED),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.HTTP09_ALLOWED, 0),
    (pycurl.HTTP_CONTENT_DECODING, 0),  # what is never decompressed can't be a decompression bomb
    (pycurl.PATH_AS_IS, 1),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
    # In DHE the server chooses the group: one of 10,000 bits takes 600 ms of the thread that carries all requests.
    (pycurl.SSL_CIPHER_LIST, "DEFAULT:!kDHE"),
    (pycurl.TCP_NODELAY, 1),
    (pycurl.NOSIGNAL, 1),
    (pycurl.BUFFERSIZE, BUFFER_BYTES),
    (pycurl.UPLOAD_BUFFERSIZE, BUFFER_BYTES),
    (pycurl.DNS_CACHE_TIMEOUT, -1),  # holds our pins only, each taken out by `Pins` when it has served
    (pycurl.CONNECTTIMEOUT_MS, 24 * 3600 * 1000),  # `Loop` has the deadlines
    (pycurl.MAXAGE_CONN, 24 * 3600),  # and `ConnectionPool` says when an idle one has to go
)


class Connection:
    """An easy handle with its connection, and the exchange that uses it now.

    Attributes:
        key: Whose kept connection it is (`Exchange.key`); None when it is not kept.
        fd: The connection's socket, libcurl's to close; -1 before there is one.
        address: What it is connected to.
        reused: The current exchange found it open.
        idle_since: When it was last used, while it is kept (`time.monotonic`).
        reserved: The exchange that waits for it to have rested.
        launched: libcurl has it now.
        is_certified: It was made with a client certificate, so its handle serves nobody else.
        wakes: How often its socket had something to read or room to write for the current exchange.
    """

    def __init__(self, loop: Loop, ca_file: str | None) -> None:
        self.curl = pycurl.Curl()
        self.answer = Answer(self.overflows)
        self._loop = loop
        self._endpoint: Endpoint | None = None
        self._url = ""
        self._pinned = False
        self._opened: socket.socket | None = None
        self._wire_base: int | None = 0
        self.key: tuple[Any, ...] | None = None
        self.fd = -1
        self.address: str | None = None
        self.reused = False
        self.exchange: Exchange | None = None
        self.idle_since = 0.0
        self.reserved: Exchange | None = None
        self.launched = False
        self.is_certified = False
        self.wakes = 0
        set_option = self.curl.setopt
        for option, value in _ALWAYS:
            set_option(option, value)
        set_option(pycurl.CAINFO, ca_file or certifi.where())
        set_option(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        set_option(pycurl.SOCKOPTFUNCTION, self._on_socket)
        set_option(pycurl.HEADERFUNCTION, self.answer.on_header)
        set_option(pycurl.WRITEFUNCTION, self.answer.on_body)

    @property
    def answered_something(self) -> bool:
        """Whether a byte of an answer arrived."""
        return self.answer.begun or self.curl.getinfo(pycurl.STARTTRANSFER_TIME) > 0

    @property
    def is_connected(self) -> bool:
        """Whether TCP is connected. libcurl's times tell only when TLS stands too."""
        try:
            with Borrowed(self.fd) as sock:
                sock.getpeername()
        except (OSError, ValueError):  # not yet, or no socket yet
            return False
        return True

    def open(self, exchange: Exchange, endpoint: Endpoint, pins: Pins, *, keep: bool) -> None:
        """Make ready to carry the exchange over a new connection to a vetted address."""
        name, port = f"c{next(_serial)}.localhost", endpoint.sockaddr[1]
        self.key = exchange.key if keep else None
        self.reused = False
        self.fd = -1
        self.address = str(endpoint.address)
        self._endpoint = endpoint
        self._wire_base = 0
        set_option = self.curl.setopt
        set_option(pycurl.CONNECT_TO, [f"::{name}:{port}"])
        set_option(pycurl.RESOLVE, pins.put(name, port, endpoint))
        self._pinned = True
        set_option(pycurl.FORBID_REUSE, int(not keep))
        if exchange.request.client_certificate is not None:
            self._certify(exchange.request.client_certificate)
        self._load(exchange)

    def _certify(self, certificate: ClientCertificate) -> None:
        """Show a client certificate where the receiver asks for one.

        TLS sessions are neither kept nor resumed: libcurl keeps them by origin, and whoever resumed this one would be
        taken for the certificate's owner.
        """
        self.is_certified = True
        self.curl.setopt(pycurl.SSLCERT_BLOB, certificate.chain.encode())
        self.curl.setopt(pycurl.SSLKEY_BLOB, certificate.key.encode())
        self.curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)

    def reuse(self, exchange: Exchange) -> None:
        """Make ready to carry the exchange over the connection that is open."""
        self.reused = True
        self._endpoint = None  # from now on nothing may be connected to
        self._wire_base = None
        if self._pinned:
            self.curl.setopt(pycurl.RESOLVE, [])
            self._pinned = False
        self._load(exchange)

    def _load(self, exchange: Exchange) -> None:
        request, target = exchange.request, exchange.target
        self.exchange = exchange
        exchange.connection = self
        self.wakes = 0
        self.answer.reset(request.read_bytes, request.keep_bytes)
        set_option = self.curl.setopt
        if self._url != request.url:
            host = f"[{target.host}]" if ":" in target.host else target.host
            set_option(pycurl.URL, f"{target.scheme}://{host}:{target.port}{target.path}")
            self._url = request.url
        set_option(pycurl.HTTPHEADER, _header_lines(request))
        if request.method == "POST":
            set_option(pycurl.POSTFIELDS, request.body)
        else:
            _set_method(set_option, request)

    def release(self) -> None:
        """Forget the exchange, and what was read for it."""
        self.exchange = None
        self.answer.reset(0, 0)

    def _open_socket(self, purpose: int, address: Any) -> Any:
        """Open a socket for libcurl, if it asks for the vetted address."""
        endpoint = self._endpoint
        family, kind, protocol, where = address
        if purpose != pycurl.SOCKTYPE_IPCXN or endpoint is None or where[:2] != endpoint.sockaddr[:2]:
            return pycurl.SOCKET_BAD
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            if self.exchange is not None:
                self.exchange.failure = error.errno
            return pycurl.SOCKET_BAD
        sys.audit("socket.connect", sock, where)  # libcurl's own connects pass no audit hook of Python's
        self._opened = sock
        return sock

    def _on_socket(self, fd: int, purpose: int) -> int:
        if self._opened is not None:
            self._opened.close()  # pycurl works with a duplicate, `fd`
            self._opened = None
        os.set_inheritable(fd, False)
        self.fd = fd
        self._loop.new_socket(fd, self)
        return pycurl.SOCKOPT_OK

    def holds_more(self) -> bool:
        """Tell whether more than the answer came over TLS; to be asked when the answer has ended, before `withdraw`.

        The TLS library reads ahead: what came right behind the answer may lie in its buffer, where neither epoll nor
        libcurl's own look at an idle connection sees it, and would be taken for the next answer.
        """
        curl = self.curl
        curl.setopt(pycurl.CONNECT_ONLY, 1)  # what `recv` wants to see; it changes nothing about the connection
        try:
            return len(curl.recv(1)) > 0
        except (BlockingIOError, pycurl.error):  # nothing there; or no connection: libcurl has closed it
            return False
        finally:
            curl.setopt(pycurl.CONNECT_ONLY, 0)

    def acknowledge_quickly(self) -> None:
        """Acknowledge what comes at once.

        Many receivers write head and body apart with Nagle's algorithm on: the body then waits for our acknowledgement
        of the head, which Linux holds back for 40 ms. The option wears off, so it is set for each request anew.
        """
        if _QUICK_ACK is not None:
            with Borrowed(self.fd) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def overflows(self) -> bool:
        """Tell whether more has come over the wire for this exchange than an answer may take, where that is known."""
        if _TCP_INFO is None:
            return False
        with Borrowed(self.fd) as sock:
            info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_RECEIVED + 8)
        if len(info) < _BYTES_RECEIVED + 8:
            return False
        received: int = struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0]
        if self._wire_base is None:  # of a kept connection: what earlier answers took is not known, so from here on
            self._wire_base = received
        return received - self._wire_base > max(BODY_WIRE_BYTES, 2 * self.answer.read_bytes)


class Borrowed:
    """A socket object around libcurl's descriptor, for as long as a `with` block lasts."""

    __slots__ = ("_sock",)

    def __init__(self, fd: int) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)

    def __enter__(self) -> socket.socket:
        return self._sock

    def __exit__(self, *_: object) -> None:
        self._sock.detach()


def _header_lines(request: Request) -> list[str] | list[bytes]:
    """Return the lines for libcurl: "Name:" takes out what it would add of its own, "Name;" sends an empty value."""
    headers = request.headers
    lines = [f"{name}: {value}" if value.strip() else f"{name};" for name, value in headers]
    lines += _own_lines(tuple([name for name, _ in headers]))
    if "".join(lines).isascii():
        return lines
    return [line.encode("latin-1") for line in lines]


@lru_cache(maxsize=1024)
def _own_lines(names: tuple[str, ...]) -> list[str]:
    """Return the lines that go with headers of these names."""
    given = {name.lower() for name in names}
    lines = ["Expect:", "Accept-Encoding: identity"]
    if "user-agent" not in given:
        lines.append(f"User-Agent: {USER_AGENT}")
    if "content-type" not in given:
        lines.append("Content-Type:")
    return lines


def _set_method(set_option: Any, request: Request) -> None:
    if request.method == "HEAD":
        set_option(pycurl.NOBODY, 1)
    elif request.body:
        set_option(pycurl.POSTFIELDS, request.body)
    else:
        set_option(pycurl.HTTPGET, 1)
    set_option(pycurl.CUSTOMREQUEST, request.method)
