"""Pages are made in processes of their own; a web process relays requests and answers, a few at a time copied bytes.

So that whoever asks for what is costly takes processor time from other pages, never from those who publish: threads
of one Python process run one at a time, and one that was put aside by the kernel while it ran keeps all others waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from subscriptions.logs import get_logger
from webhooks_project.server import messages
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.relayed import LENGTH, PARKED, packed, parked

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

log = get_logger(__name__)

OPEN_MAX: Final = 256
"""Requests that a web process has at the page processes at a time; others wait here."""
WAITING_MAX: Final = 512
"""Requests that may wait for that; more are told to come again."""


class Relay:
    """Has requests answered by the page processes. Lives on the loop's thread.

    Args:
        path: Of the Unix socket that the page processes listen on.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Request] = deque()
        self._open: dict[Any, Asking] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, request: Request) -> None:
        """Have a request answered to its asker, a connection."""
        if len(self._open) < OPEN_MAX:
            self._begin(request)
        elif len(self._waiting) < WAITING_MAX:
            self._waiting.append(request)
        else:
            self._loop.call_soon(request.asker.answer, request, messages.busy())

    def of(self, connection: Any) -> Asking | None:
        """Return what is being asked for a client."""
        return self._open.get(connection)

    def is_over(self, asking: Asking) -> None:
        """Note an end, and begin what waits."""
        self._open.pop(asking.connection, None)
        while self._waiting and len(self._open) < OPEN_MAX:
            if not (request := self._waiting.popleft()).asker.is_closed:
                self._begin(request)

    def _begin(self, request: Request) -> None:
        asking = self._open[request.asker] = Asking(self, request)
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


class Asking(asyncio.Protocol):
    """One request at a page process: its answer's bytes go to the client as they come, no faster than it takes them."""

    _transport: Any = None

    def __init__(self, relay: Relay, request: Request) -> None:
        self.request = request
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
                self._has_begun = True
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
