"""Receivers that misbehave on purpose, on real sockets.

    with HostileServer(drips(b"HTTP/1.1 200 OK\\r\\n", every=0.1)) as server:
        outcome = send(server.url)
    assert server.requests[0].headers["webhook-id"] == "evt_1"

A handler is called in a thread for each accepted connection with a `Connection` and scripts it byte by byte; when it
returns, the connection is closed. The functions below the classes make ready handlers for the usual kinds of trouble.
Give `tls=` an `ssl.SSLContext` to put any of them behind TLS. `black_hole()` is a port where connects never finish.
Everything listens on 127.0.0.1 and ends with the `with` block, sleeping handlers included.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Received:
    """A request as it came in: first line, headers by lower-case name, raw head and body."""

    line: str
    headers: Mapping[str, str]
    head: bytes
    body: bytes


class Stop(Exception):
    """The server is closing, or the peer has gone: ends a handler from within."""


class Connection:
    """One accepted connection, in the hands of a handler.

    Attributes:
        sock: The socket (a TLS socket when the server has `tls`).
        number: 0 for the server's first connection, 1 for the second, …
    """

    def __init__(self, server: "HostileServer", sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self._buffer = b""

    def read_request(self) -> Received:
        """Read one request with its body, and note it in `server.requests`."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, rest = self._buffer.split(b"\r\n\r\n", 1)
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", "0"))
        self._buffer = rest
        while len(self._buffer) < length:
            self._fill()
        received = Received(line, headers, head, self._buffer[:length])
        self._buffer = self._buffer[length:]
        self.server.requests.append(received)
        return received

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Stop from error

    def answer(self, status: str = "200 OK", body: bytes = b"ok", headers: str = "") -> None:
        """Send a well-formed answer; `headers` are whole lines, each ending in CRLF."""
        self.send(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        if self.server.closing.wait(seconds):
            raise Stop

    def drip(self, data: bytes, every: float) -> None:
        """Send byte by byte, `every` seconds one."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            self.sleep(every)

    def reset(self) -> None:
        """Close with a TCP reset instead of a goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Stop

    def _fill(self) -> None:
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            raise Stop from error
        if not data:
            raise Stop
        self._buffer += data


Handler = Callable[[Connection], None]


class HostileServer:
    """Runs a handler for every connection to a port of 127.0.0.1 for as long as the `with` block lasts.

    Attributes:
        port, url: Where it listens; the URL names 127.0.0.1 and the scheme that `tls` asks for.
        requests: What `Connection.read_request` read so far, over all connections.
        connections: How many connections were accepted.
        failures: Exceptions that handlers raised, for tests that want to see none.
    """

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.tls = tls
        self.requests: list[Received] = []
        self.connections = 0
        self.failures: list[Exception] = []
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "HostileServer":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._accepting.join(10)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes handlers that read or write
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._run, args=(sock, self.connections), daemon=True)
            self.connections += 1
            self._threads.append(thread)
            thread.start()

    def _run(self, sock: socket.socket, number: int) -> None:
        with self._lock:
            self._open.add(sock)
        connection = Connection(self, sock, number)
        try:
            if self.tls is not None:
                connection.sock = self.tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.discard(sock)
                    self._open.add(connection.sock)
            self.handler(connection)
        except (Stop, OSError):
            pass  # the peer went away or the server closes; both end a handler
        except Exception as error:  # noqa: BLE001 kept for the test to see
            self.failures.append(error)
        finally:
            with self._lock:
                self._open.discard(sock)
                self._open.discard(connection.sock)
            connection.sock.close()


@contextmanager
def black_hole() -> Iterator[int]:
    """A port of 127.0.0.1 that swallows connects: its accept queue is full, so new SYNs are dropped (Linux)."""
    fillers: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        try:
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def answers(status: str = "200 OK", body: bytes = b"ok", headers: str = "") -> Handler:
    """A well-behaved receiver: answers every request on a kept connection."""

    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.answer(status, body, headers)

    return handler


def says(data: bytes, *, then: Handler | None = None) -> Handler:
    """Reads the request, sends exactly `data`, then closes (or does what `then` says)."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        if then is not None:
            then(connection)

    return handler


def drips(data: bytes, *, every: float, first: bytes = b"") -> Handler:
    """Reads the request, sends `first` at once and `data` byte by byte, then holds the connection open."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.send(first)
        connection.drip(data, every)
        hangs(connection)

    return handler


def repeats(first: bytes, block: bytes) -> Handler:
    """Reads the request, sends `first`, then `block` over and over without end, as fast as it is taken."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.send(first)
        while not connection.server.closing.is_set():
            connection.send(block)

    return handler


def hangs(connection: Connection) -> None:
    """Takes what comes, never answers, never closes."""
    connection.sock.settimeout(None)
    while True:
        connection._fill()
        connection._buffer = b""


def never_reads(connection: Connection) -> None:
    """Accepts and reads nothing: the sender's buffers fill up."""
    connection.sleep(3600)


def closes(connection: Connection) -> None:
    """Closes at accept."""


def resets(connection: Connection) -> None:
    """Resets after the request."""
    connection.read_request()
    connection.reset()


def closes_after(requests: int, *, reset: bool = False) -> Handler:
    """Answers so many requests a connection and promises to keep it, then closes on the next one unanswered."""

    def handler(connection: Connection) -> None:
        for _ in range(requests):
            connection.read_request()
            connection.answer()
        connection.read_request()
        if reset:
            connection.reset()

    return handler
