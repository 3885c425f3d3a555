"""A small HTTP/1.1 server for receivers: keep-alive, a thread a connection, whole bodies in memory.

Written on sockets because the standard library's parses headers as e-mail, at twice the cost of all the rest.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any, Self, cast

HEAD_MAX = 64 * 1024
"""Bytes of request line and headers."""
BODY_MAX = 16 * 1024**2
"""Bytes of a request's body."""
LENGTH_DIGITS_MAX = 19
"""Digits of a Content-Length that are read as a number."""
IDLE_MAX = 300.0
"""Seconds that a connection may stay silent."""

_PHRASES = {int(status): status.phrase for status in HTTPStatus}


class Headers(Mapping[str, str]):
    """A request's headers as they came: looked up in any case, and `items()` has those sent twice twice."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs

    def __getitem__(self, name: str) -> str:
        for given, value in self.pairs:
            if given.lower() == name.lower():
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def items(self) -> Any:
        """Return every pair, in order."""
        return self.pairs


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in. `received_at`: unix seconds, when its body was complete."""

    method: str
    path: str
    headers: Headers
    body: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer, after `delay` seconds."""

    status: int = 200
    body: bytes = b"ok"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0


@dataclass(slots=True)
class Refused(Exception):
    """A request that can't be read: answered, and the connection closed."""

    answer: Answer = field(default_factory=lambda: Answer(400, b"malformed request"))


class HttpServer:
    """Serves `handle(request) -> Answer` on its own threads from `start` to `stop`: a context manager."""

    def __init__(self, handle: Callable[[Request], Answer], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._handle = handle
        self._wanted = (host, port)
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.host, self.port = host, port

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Listen. Raises OSError when the port is taken or the address isn't ours."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server(self._wanted, family=family, backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._stopped.clear()
        threading.Thread(target=self._accept, args=[self._listener], name="receiver", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the listener and every connection; delays end at once."""
        self._stopped.set()
        with self._lock:
            sockets = [*self._open, *([self._listener] if self._listener else [])]
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it
        if self._listener:
            self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._stopped.wait(0.01):  # closed by `stop`, or out of file descriptors for a moment
                    return
                continue
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            stream = cast(IO[bytes], connection.makefile("rb", 64 * 1024))
            with connection, stream, contextlib.suppress(OSError):
                connection.settimeout(IDLE_MAX)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not self._stopped.is_set() and self._exchange(connection, stream):
                    pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _exchange(self, connection: socket.socket, stream: IO[bytes]) -> bool:
        """Read one request and answer it; tell whether another may follow."""
        try:
            request, stays = read_request(stream, connection)
        except Refused as refused:
            connection.sendall(render(refused.answer, stays=False))
            return False
        if request is None:
            return False
        answer = self._handle(request)
        if answer.delay and self._stopped.wait(answer.delay):
            return False
        connection.sendall(render(answer, stays=stays, with_body=request.method != "HEAD"))
        return stays


def read_request(stream: IO[bytes], connection: socket.socket) -> tuple[Request | None, bool]:
    """Return the next request (None at the end) and whether its connection stays open. Raises Refused."""
    line, *lines = _head(stream)
    if not line:
        return None, False
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refused
    headers = Headers(tuple(_pair(text) for text in lines))
    if "Transfer-Encoding" in headers:
        raise Refused(Answer(411, b"send a Content-Length"))
    length = headers.get("Content-Length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Refused
    if len(length) > LENGTH_DIGITS_MAX or int(length) > BODY_MAX:
        raise Refused(Answer(413, b"body too large"))
    if headers.get("Expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = stream.read(int(length))
    if len(body) < int(length):
        return None, False
    word = headers.get("Connection", "").lower()
    stays = word == "keep-alive" if words[2] == "HTTP/1.0" else word != "close"
    return Request(words[0], words[1], headers, body, time.time()), stays


def _head(stream: IO[bytes]) -> list[str]:
    """Return request line and header lines; `[""]` at the end of the stream."""
    lines: list[str] = []
    left = HEAD_MAX
    while True:
        raw = stream.readline(left + 1)
        left -= len(raw)
        if left < 0:
            raise Refused(Answer(431, b"headers too large"))
        if not raw.endswith(b"\n"):
            return [""]
        text = raw.rstrip(b"\r\n").decode("latin-1")
        if text:
            lines.append(text)
        elif lines:
            return lines


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise Refused
    return name, value.strip()


def render(answer: Answer, *, stays: bool, with_body: bool = True) -> bytes:
    """Return the answer as it goes over the wire."""
    phrase = _PHRASES.get(answer.status, "Unknown")
    bodiless = answer.status in (204, 304)  # RFC 9110, 15.3.5 and 15.4.5
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
    if not bodiless:
        lines.append(f"Content-Length: {len(answer.body)}")
    lines += [f"Connection: {'keep-alive' if stays else 'close'}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + (answer.body if with_body and not bodiless else b"")
