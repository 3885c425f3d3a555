"""Requests out of bytes: llhttp (httptools) parses, and what may not come is refused before its body is read."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import httptools

from webhooks_project.server import messages
from webhooks_project.server.messages import Request

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

HEAD_MAX: Final = 64 * 1024
"""Bytes of a request line and headers."""
HEADERS_MAX: Final = 100
TARGET_MAX: Final = 16 * 1024
"""Bytes of a request's target: path and query."""
ALWAYS_READ: Final = 64 * 1024
"""Bytes a body may have even while the bodies of others fill WEB_BODIES_MAX."""
READ_MAX: Final = 16 * 1024
"""Bytes read from a client at a time, unless more of a body is missing: so much may come behind a request at most."""
BODY_READ_MAX: Final = 256 * 1024
"""Bytes of a body read at a time."""
_HEAD_END: Final = b"\r\n\r\n"


class State(Enum):
    """What is being read, or that nothing is any more."""

    IDLE = "between requests"
    HEAD = "request line and headers"
    BODY = "body"
    DEAF = "nothing more is read: the last request is in, or was refused"


class Reader:
    """Reads one connection's requests, one when it is told to, and tells it of each, and of the one it refuses.

    The parser is given no byte behind a request: what it parses must be kept, and is larger than what was sent.

    Attributes:
        state: What is being read.
        request: The request whose head was read last, until it is whole.
        held: Bytes of bodies in memory; the connection takes off what it has answered.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = connection.server
        self._parser = httptools.HttpRequestParser(self)
        self.request: Request | None = None
        self.held = 0
        self._body = bytearray()
        self._begin()
        self.state = State.HEAD  # a client that connects has its first head to send

    def stop(self) -> None:
        """Read no more, and forget what has come of a body."""
        self.state = State.DEAF
        self.held -= len(self._body)
        self._server.held -= len(self._body)
        self._body = bytearray()

    @property
    def has_begun(self) -> bool:
        """Tell whether a byte of the head has come."""
        return self._fed > 0

    @property
    def wants(self) -> int:
        """Return how many bytes to read from the client next, at most."""
        return min(max(READ_MAX, self._missing), BODY_READ_MAX)

    def feed(self, data: bytes | bytearray) -> int:
        """Read on to the end of one request, or of `data`; return how many bytes of it were read."""
        place, self._is_whole = 0, False
        while place < len(data) and not self._is_whole and self.state is not State.DEAF:
            place = self._read_body(data, place) if self.state is State.BODY else self._read_in_head(data, place)
        return place

    # --- what the parser tells -------------------------------------------------------------------------------------

    def on_url(self, part: bytes) -> None:
        """Collect the target, unless it is too long already."""
        if len(self._target) <= TARGET_MAX:
            self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, unless there are too many already.

        Names with `_` are dropped: in CGI's spelling they would pass for those with `-`.
        """
        self._count += 1
        if self._count > HEADERS_MAX:
            return
        key = name.decode("latin-1").lower()
        if "_" not in key:
            text = value.decode("latin-1")
            self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Decide, before a byte of the body is read, whether it may come."""
        if self.state is State.DEAF:
            return
        headers = self._headers
        request = self.request = self._read_head()
        if len(self._target) > TARGET_MAX:
            self._refuse(414, "uri_too_long", f"A target has at most {TARGET_MAX} bytes.")
        elif self._count > HEADERS_MAX:
            self._refuse(431, "too_many_headers", f"A request has at most {HEADERS_MAX} headers.")
        elif "transfer-encoding" in headers:
            request.keeps_alive = False
            self._connection.take(request)  # its body isn't read: the API answers 411, and no other route wants one
            self.state = State.DEAF
        elif "content-length" in headers:
            self._expect_body(request, int(headers["content-length"]))

    def on_body(self, part: bytes | bytearray) -> None:
        """Collect a piece of the body."""
        if self.state is not State.BODY:
            return
        self.held += len(part)
        self._server.held += len(part)
        self._body += part
        if self._server.held > self._server.limits.bodies and self._length > ALWAYS_READ:
            self._refuse(503, "busy", "Too much is being sent at once. Try again.", Retry_After="1")

    def on_message_complete(self) -> None:
        """Hand the request on."""
        if self.state is State.DEAF or self._missing:
            return
        request = self.request
        assert request is not None
        if self._body:
            request.body = bytes(self._body)
        self._begin()
        self._is_whole = True
        if not request.keeps_alive:
            self.state = State.DEAF
        self._connection.take(request)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._count = 0
        self._fed = 0  # bytes of the head so far
        self._tail = b""  # the last of them, in which its end may have begun
        self.request = None
        self._body = bytearray()
        self._length = 0
        self._missing = 0  # bytes of the body that have not come
        self._by_hand = False  # the parser leaves the body to us
        self.state = State.IDLE

    def _read_head(self) -> Request:
        path, _, query = self._target.partition(b"#")[0].partition(b"?")
        if not path.startswith(b"/") and b"://" in path:  # the absolute form, as for proxies
            path = b"/" + path.split(b"://", 1)[1].partition(b"/")[2]
        return Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path.decode("latin-1"),
            query=query.decode("latin-1"),
            headers=self._headers,
            version=self._parser.get_http_version(),
            client=self._connection.client,
            asker=self._connection,
            began=self._server.now(),
            keeps_alive=self._parser.should_keep_alive() and not self._parser.should_upgrade(),
        )

    def _expect_body(self, request: Request, length: int) -> None:
        limit = self._server.body_limit(request)
        if length > limit:
            self._refuse(413, "too_large", f"The body has {length} bytes; one request may have {limit}. Split it.")
            return
        self._length, self.state = length, State.BODY
        self._connection.expect_within(self._server.limits.body)
        self._missing, self._by_hand = length, self._parser.should_upgrade()
        if length and request.headers.get("expect", "").lower() == "100-continue":
            self._connection.encourage()

    def _read_in_head(self, data: bytes | bytearray, place: int) -> int:
        if not self._fed:
            place = _behind_blank_lines(data, place)
            if place == len(data):
                return place
        if self.state is State.IDLE:
            self.state = State.HEAD
            self._connection.expect_within(self._server.limits.head)
        end = self._head_end(data, place)
        part = data[place:end]
        self._fed += len(part)
        self._tail = bytes((self._tail + part[-3:])[-3:])
        self._parse(part)
        if self.state is State.HEAD and self._fed > HEAD_MAX:
            self._refuse(431, "head_too_large", f"A head has at most {HEAD_MAX} bytes.")
        return end

    def _head_end(self, data: bytes | bytearray, place: int) -> int:
        """Return the place behind the head's end, or behind all if it has not come: the parser takes no other end."""
        if self._tail:
            found = (self._tail + data[place : place + 3]).find(_HEAD_END)
            if found >= 0:
                return place + found + len(_HEAD_END) - len(self._tail)
        found = data.find(_HEAD_END, place)
        return found + len(_HEAD_END) if found >= 0 else len(data)

    def _read_body(self, data: bytes | bytearray, place: int) -> int:
        part = data[place : place + self._missing]
        self._missing -= len(part)
        if not self._by_hand:
            self._parse(part)
            return place + len(part)
        self.on_body(part)
        if not self._missing:
            self.on_message_complete()
        return place + len(part)

    def _parse(self, part: bytes | bytearray) -> None:
        try:
            self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            pass  # none is on offer, so the request counts as a plain one; but the parser leaves its body to us
        except httptools.HttpParserError as problem:
            if self.state is not State.DEAF:
                self._refuse(400, "bad_request", f"This is not HTTP/1.1: {problem}.")

    def _refuse(self, status: int, code: str, detail: str, **headers: str) -> None:
        self.stop()
        self._connection.refuse(messages.error(status, code, detail, **headers))


def _behind_blank_lines(data: bytes | bytearray, place: int) -> int:
    """Return the place behind the blank lines that may come before a request (RFC 9112, section 2.2)."""
    return len(data) - len(data[place:].lstrip(b"\r\n")) if data[place] in b"\r\n" else place
