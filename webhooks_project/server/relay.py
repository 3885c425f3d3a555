"""Pages are made in processes of their own; a web process relays requests and answers, a few at a time copied bytes.

So that whoever asks for what is costly takes processor time from other pages, never from those who publish: threads
of one Python process run one at a time, and one that was put aside by the kernel while it ran keeps all others waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from subscriptions.logs import get_logger
from webhooks_project.server import messages
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.relayed import LENGTH, OWNER, PARKED, packed, parked
from webhooks_project.server.turns import Turns, has_share

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

log = get_logger(__name__)

OPEN_MAX: Final = 256
"""Requests that a web process has at the page processes at a time, until their answers begin; others wait here."""
BEGUN_MAX: Final = 1024
"""Answers that may be on their way before a further request waits: how long they take is their clients' doing."""
OF_CLIENT_MAX: Final = 32
"""Requests and answers of one client (`clients.Clients`); others of it wait, and keep nobody else waiting."""
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
        self._turns: Turns[Request] = Turns()
        self._waiting: dict[Any, Request] = {}  # the same, by who asks
        self._open: dict[Any, Asking] = {}  # until their answers' ends
        self._open_of: Counter[str] = Counter()
        self._unbegun_of: Counter[str] = Counter()
        self._begun: set[Asking] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, request: Request) -> None:
        """Have a request answered to its asker, a connection."""
        client = request.whose
        if not self._turns.count_of(client) and self._may_begin(client):
            self._begin(request)
        elif self._turns.count_of(client) >= WAITING_OF_CLIENT_MAX:
            self._loop.call_soon(request.asker.answer, request, messages.too_many())
        elif len(self._waiting) < WAITING_MAX or self._has_made_room(client):
            self._turns.add(client, request)
            self._waiting[request.asker] = request
        else:
            self._loop.call_soon(request.asker.answer, request, messages.busy())

    def of(self, connection: Any) -> Asking | None:
        """Return what is being asked for a client."""
        return self._open.get(connection)

    def forget(self, connection: Any) -> None:
        """Note that a client has left, which may have waited."""
        if (request := self._waiting.pop(connection, None)) is not None:
            self._turns.remove(request.whose, request)

    def has_begun(self, asking: Asking) -> None:
        """Note an answer's beginning: from here on it is its client who takes the time."""
        self._begun.add(asking)
        _take_off(self._unbegun_of, asking.request.whose)
        self._begin_what_waits()

    def is_over(self, asking: Asking) -> None:
        """Note an end, and begin what waits."""
        if self._open.pop(asking.connection, None) is not None:
            _take_off(self._open_of, asking.request.whose)
            if asking in self._begun:
                self._begun.remove(asking)
            else:
                _take_off(self._unbegun_of, asking.request.whose)
        self._begin_what_waits()

    def _may_begin(self, client: str) -> bool:
        free = OPEN_MAX - (len(self._open) - len(self._begun))
        return (
            len(self._begun) < BEGUN_MAX
            and self._open_of[client] < OF_CLIENT_MAX
            and has_share(self._unbegun_of[client], free)
        )

    def _begin_what_waits(self) -> None:
        while (request := self._turns.take(self._may_begin)) is not None:
            del self._waiting[request.asker]
            self._begin(request)

    def _has_made_room(self, client: str) -> bool:
        """Tell whether a longer line than the client's gave a place up."""
        if (request := self._turns.give_up_for(client)) is None:
            return False
        del self._waiting[request.asker]
        self._loop.call_soon(request.asker.answer, request, messages.busy())
        return True

    def _begin(self, request: Request) -> None:
        asking = self._open[request.asker] = Asking(self, request)
        self._open_of[request.whose] += 1
        self._unbegun_of[request.whose] += 1
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


def _take_off(counts: Counter[str], client: str) -> None:
    counts[client] -= 1
    if not counts[client]:
        del counts[client]


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
        self._owner: bytearray | None = None  # what has come of whose the request was found to be
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
                if self._owner is not None:
                    self._owner += part
                    if not self._left:
                        self.connection.server.clients.note(self.request, self._owner.decode())
                        self._owner = None
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
                elif self._left & OWNER:
                    self._left ^= OWNER
                    self._owner = bytearray()

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
