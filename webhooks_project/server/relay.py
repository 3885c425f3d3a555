"""Pages are made in processes of their own; a web process relays requests and answers, a few at a time copied bytes.

So that whoever asks for what is costly takes processor time from other pages, never from those who publish: threads
of one Python process run one at a time, and one that was put aside by the kernel while it ran keeps all others waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.http import parse_cookie

from subscriptions.logs import get_logger
from subscriptions.portal_sessions import COOKIE as PORTAL_COOKIE
from subscriptions.sign_in_limits import client_address
from webhooks_project.server import messages, routes
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.relayed import LENGTH, PARKED, packed, parked

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

log = get_logger(__name__)

OPEN_MAX: Final = 256
"""Requests that a web process has at the page processes at a time, until their answers begin; others wait here."""
BEGUN_MAX: Final = 1024
"""Answers that may be on their way before a further request waits: how long they take is their clients' doing."""
OF_CLIENT_MAX: Final = 32
"""Requests and answers of one client, by its credential or address; others of it wait, and keep nobody else waiting."""
WAITING_MAX: Final = 512
"""Requests that may wait for that; more are told to come again."""
WAITING_OF_CLIENT_MAX: Final = 128
"""Requests of one client that may wait: more than wake at once when there is something new in a merchant's feeds."""


class Relay:
    """Has requests answered by the page processes. Lives on the loop's thread.

    Args:
        path: Of the Unix socket that the page processes listen on.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Any, tuple[str, Request]] = {}  # in the order they came
        self._waiting_of: Counter[str] = Counter()
        self._open: dict[Any, Asking] = {}  # until their answers' ends
        self._open_of: Counter[str] = Counter()
        self._begun: set[Asking] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, request: Request) -> None:
        """Have a request answered to its asker, a connection."""
        client = client_of(request)
        if self._has_place and self._open_of[client] < OF_CLIENT_MAX:
            self._begin(request, client)
        elif self._waiting_of[client] >= WAITING_OF_CLIENT_MAX:
            self._loop.call_soon(request.asker.answer, request, _too_many())
        elif len(self._waiting) < WAITING_MAX:
            self._waiting_of[client] += 1
            self._waiting[request.asker] = client, request
        else:
            self._loop.call_soon(request.asker.answer, request, messages.busy())

    def of(self, connection: Any) -> Asking | None:
        """Return what is being asked for a client."""
        return self._open.get(connection)

    def forget(self, connection: Any) -> None:
        """Note that a client has left, which may have waited."""
        if connection in self._waiting:
            self._remove(connection)

    def has_begun(self, asking: Asking) -> None:
        """Note an answer's beginning: from here on it is its client who takes the time."""
        self._begun.add(asking)
        self._begin_what_waits()

    def is_over(self, asking: Asking) -> None:
        """Note an end, and begin what waits."""
        if self._open.pop(asking.connection, None) is not None:
            self._begun.discard(asking)
            self._open_of[asking.client] -= 1
            if not self._open_of[asking.client]:
                del self._open_of[asking.client]
        self._begin_what_waits()

    @property
    def _has_place(self) -> bool:
        return len(self._open) - len(self._begun) < OPEN_MAX and len(self._begun) < BEGUN_MAX

    def _begin_what_waits(self) -> None:
        for client, request in list(self._waiting.values()):
            if not self._has_place:
                return
            if self._open_of[client] < OF_CLIENT_MAX:
                self._remove(request.asker)
                self._begin(request, client)

    def _remove(self, asker: Any) -> None:
        client, _ = self._waiting.pop(asker)
        self._waiting_of[client] -= 1
        if not self._waiting_of[client]:
            del self._waiting_of[client]

    def _begin(self, request: Request, client: str) -> None:
        asking = self._open[request.asker] = Asking(self, request, client)
        self._open_of[client] += 1
        asking.connection.expect_relayed(asking)
        task = self._loop.create_task(self._connect(asking))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, asking: Asking) -> None:
        try:
            await self._loop.create_unix_connection(lambda: asking, self._path)
        except OSError as error:
            log.error("pages_unreachable", error=str(error))
            self.is_over(asking)
            asking.fail(messages.busy())


def client_of(request: Request) -> str:
    """Return what tells a request's client from others: its key, its session, or where it came from."""
    headers = request.headers
    if request.path.startswith(routes.API) and (credential := headers.get("authorization")):  # no page looks at it
        return credential
    cookies = parse_cookie(headers.get("cookie", ""))
    for name in (settings.SESSION_COOKIE_NAME, PORTAL_COOKIE):
        if session := cookies.get(name):
            return f"{name}={session}"
    address = {"HTTP_X_FORWARDED_FOR": headers.get("x-forwarded-for", ""), "REMOTE_ADDR": request.client}
    return client_address(address)


def _too_many() -> Answer:
    told = "Too many requests of yours wait to be answered. Try again when some of them have been."
    return messages.error(429, "too_many_requests", told, Retry_After="1")


class Asking(asyncio.Protocol):
    """One request at a page process: its answer's bytes go to the client as they come, no faster than it takes them."""

    _transport: Any = None

    def __init__(self, relay: Relay, request: Request, client: str) -> None:
        self.request = request
        self.client = client
        self.connection: Connection = request.asker  # type: ignore[assignment]  # in a web process all are
        self._relay = relay
        self._left = 0  # bytes of the frame that is coming
        self._length = bytearray()  # what has come of a frame's length
        self._parked: bytearray | None = None  # what has come of an answer that may wait
        self._has_begun = self._is_whole = self._has_left = self._is_half_closed = False

    # --- for the connection ------------------------------------------------------------------------------------------

    def pull(self) -> None:
        """Go on: the client has taken what came."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self) -> None:
        """Let the page process know that the client has left."""
        self._has_left = True
        if self._transport is not None:
            self._transport.abort()

    def half_close(self) -> None:
        """Let it know that the client sends no more, as most do who leave."""
        self._is_half_closed = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def fail(self, answer: Answer) -> None:
        """Answer in the page process' place."""
        self.connection.expect_relayed(None)
        self.connection.answer(self.request, answer)

    # --- what asyncio tells ------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Ask."""
        self._transport = transport
        if self._has_left:
            transport.abort()
            return
        transport.write(packed(self.request))
        if self._is_half_closed:
            transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """Pass on what frames hold."""
        place = 0
        while place < len(data):
            if self._left:
                part = data[place : place + self._left]
                place += len(part)
                self._left -= len(part)
                if self._parked is not None:
                    self._parked += part
                    continue
                if not self._has_begun:
                    self._has_begun = True
                    self._relay.has_begun(self)
                self.connection.relayed(part)
                if not self.connection.is_writable:
                    self._transport.pause_reading()
                continue
            part = data[place : place + LENGTH - len(self._length)]
            place += len(part)
            self._length += part
            if len(self._length) == LENGTH:
                self._left = int.from_bytes(self._length)
                self._length.clear()
                self._is_whole = self._left == 0
                if self._left & PARKED:
                    self._left ^= PARKED
                    self._parked = bytearray()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer: whole, or broken off."""
        self._relay.is_over(self)
        if self._has_left:
            return
        if self._parked and not self._left:
            self.connection.expect_relayed(None)
            self.connection.park(self.request, parked(bytes(self._parked)))
        elif self._has_begun or self._is_whole:
            self.connection.streamed(whole=self._is_whole)
        else:
            log.error("page_process_broke_off", path=self.request.path, request_id=self.request.request_id)
            self.fail(messages.error(500, "error", "A server error occurred."))
