"""A client's connection: requests are answered in order, one at a time, each step under a deadline.

A request goes to the site only when it is whole, so a client that sends slowly costs a few hundred bytes and no thread.
While one is being answered, what comes behind it waits as it came, and no more of it is read than AHEAD_MAX. Deadlines
are looked at by the server's sweep (`expire`), which costs nothing a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import termios
from array import array
from typing import TYPE_CHECKING, Any, Final

from webhooks_project import request_ids
from webhooks_project.server import messages
from webhooks_project.server.messages import Answer, Parked, Request
from webhooks_project.server.reading import Reader, State
from webhooks_project.server.streaming import Stream

if TYPE_CHECKING:
    from webhooks_project.server.relay import Asking
    from webhooks_project.server.serving import Server

LINGER: Final = 2.0
"""Seconds for which what a refused client still sends is dropped: closing at once could destroy the refusal."""
UNSENT_MAX: Final = 256 * 1024
"""Bytes that may wait for a client to take them before no more are made."""
TAKEN_MIN: Final = 64 * 1024
"""Bytes of its answer that a client must take in WEB_WRITE_SECONDS, or all that is left: who takes less is let go."""
AHEAD_MAX: Final = 16 * 1024
"""Bytes behind a request that may wait, unread by the parser, before no more are taken from the client."""
NEVER: Final = float("inf")


class Connection(asyncio.BufferedProtocol):
    """One client. Lives on the loop's thread."""

    transport: Any

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = ""
        self.deadline = NEVER
        self.is_closed = False
        self.is_writable = True
        self._current: Request | None = None  # what the site is answering
        self._ahead = bytearray()  # what came behind a request
        self._stream: Stream | Asking | None = None
        self._has_ended = False  # the client sends no more
        self._leaves_unread = False  # something that the client sends, or may, was not read
        self._written = 0  # bytes of all answers
        self._taken = 0  # bytes of them that the client had taken at the last look
        self.waits_since: float | None = None  # the loop's time since which it has taken too few to be sent more
        self._reader = Reader(self)

    # --- what asyncio tells ----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Greet the client: its first head must come in time."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if isinstance(peer, tuple) else ""
        transport.set_write_buffer_limits(high=UNSENT_MAX)
        self.expect_within(self.server.limits.head)
        self.server.welcome(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes: at once it is taken from there, so all connections share the place."""
        return self.server.buffer[: self._reader.wants]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came."""
        self.data_received(bytes(self.server.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Read on, to the end of one request; what is behind it, or comes before its turn, waits."""
        if self._reader.state is State.DEAF:
            self._leaves_unread = True
        elif self._current is not None or self._ahead or not self.is_writable:
            self._ahead += data
            if len(self._ahead) >= AHEAD_MAX:
                self.transport.pause_reading()
        elif (read := self._reader.feed(data)) < len(data):
            self._ahead += data[read:]
            self._await_turn()

    def take_turn(self) -> None:
        """Read the next request of what waits, now that the loop has time for it."""
        if self.is_closed or self._current is not None or not self.is_writable or not self._ahead:
            return
        del self._ahead[: self._reader.feed(self._ahead)]
        if self._ahead:
            self._await_turn()
        elif not self._has_ended:
            self.transport.resume_reading()
        elif self._reader.state is not State.DEAF:
            self._reader.stop()
            if self._current is None:
                self._leave()

    def eof_received(self) -> bool:
        """Answer what is whole; a request that broke off is nobody's any more."""
        self._has_ended = True
        if not self._ahead:
            self._reader.stop()
            if self._current is None:
                return False  # closes
        if self._current is not None:
            self.server.has_ended(self)
        return True

    def pause_writing(self) -> None:
        """Note that the client has not taken what was sent."""
        self.is_writable = False
        self._taken = self._written - self._count_unsent()
        self.expect_within(self.server.limits.write)

    def resume_writing(self) -> None:
        """Go on with what waited for the client."""
        self.is_writable = True
        self.deadline = NEVER
        self.waits_since = None
        if self._stream is not None:
            self._stream.pull()
        elif self._current is None and not self.is_closed:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client, and let what was being streamed to it end."""
        self.is_closed = True
        self.server.held -= self._reader.held
        if self._stream is not None:
            self._stream.end()
            self._stream = None
        self.server.farewell(self)

    # --- what the reader tells -------------------------------------------------------------------------------------

    def expect_within(self, seconds: float) -> None:
        """Set the deadline for what comes next."""
        self.deadline = self.server.now() + seconds

    def encourage(self) -> None:
        """Let a client that asked first send its body."""
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def take(self, request: Request) -> None:
        """Have a request answered."""
        self._leaves_unread = "transfer-encoding" in request.headers
        self._current, self.deadline = request, NEVER
        self.server.handle(request)
        if self._has_ended and request is self._current:
            self.server.has_ended(self)

    def refuse(self, answer: Answer) -> None:
        """Answer with an error; nothing more is read."""
        self._leaves_unread = True
        refused = self._reader.request
        request_id = request_ids.accepted(refused.headers.get("x-request-id")) if refused else request_ids.new()
        if refused is not None:
            refused.request_id = request_id
        self.server.log(refused, answer, request_id)
        self.write(messages.encode(refused, answer, keep_alive=False, request_id=request_id))
        self._leave()

    # --- answering -------------------------------------------------------------------------------------------------

    def answer(self, request: Request, answer: Answer) -> None:
        """Send the answer to the current request."""
        if self.is_closed or request is not self._current:
            if answer.close is not None:
                self.server.run(answer.close, request)
            return
        request.keeps_alive = request.keeps_alive and not self.server.is_stopping
        self.server.log(request, answer)
        self.write(messages.encode(request, answer, keep_alive=request.keeps_alive))
        if answer.more is None:
            self._answered()
        elif request.method == "HEAD" or answer.status in messages.BODILESS:
            Stream(self, request, answer).end()
            self._answered()
        else:
            self._stream = Stream(self, request, answer)
            if self.is_writable:
                self._stream.pull()

    def park(self, request: Request, parked: Parked) -> None:
        """Let the current request wait for news."""
        if not self.is_closed and request is self._current:
            self.server.waiting.park(request, parked)

    def expect_relayed(self, asking: Asking | None) -> None:
        """Note who brings the answer to the current request, or that nobody does any more."""
        self._stream = asking

    def relayed(self, data: bytes) -> None:
        """Send what a page process made of the answer."""
        self.write(data)

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        self._written += len(data)
        self.transport.write(data)
        self.server.unsent.note(self, len(data), self.server.now())

    def streamed(self, *, whole: bool) -> None:
        """Note the end of a streamed answer; one that broke off must not look like a whole one."""
        self._stream = None
        if whole and self._current is not None:
            self._current.keeps_alive = self._current.keeps_alive and not self.server.is_stopping
            self._answered()
        else:
            self.transport.abort()

    def _answered(self) -> None:
        assert self._current is not None
        self._reader.held -= len(self._current.body)
        self.server.held -= len(self._current.body)
        if not self._current.keeps_alive:
            self._reader.state = State.DEAF
        self._current = None
        if self.is_writable:
            self._go_on()

    def _go_on(self) -> None:
        """Take what comes next: what waits, the client's next request, or leave."""
        if self._reader.state is State.DEAF:
            self._leave()
            return
        self.expect_within(self.server.limits.of(self._reader.state))
        self._await_turn()

    def _await_turn(self) -> None:
        """Let others go first, then read on in what waits, if anything does and no request is being answered."""
        if self._reader.state is State.DEAF:
            self._leaves_unread = True
        elif self._ahead and self._current is None and self.is_writable:
            self.server.rounds.add(self)

    # --- leaving ---------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """Act on the deadline, which has passed."""
        state, before, self.deadline = self._reader.state, self._taken, NEVER
        is_ending = state is State.DEAF or self.transport.is_closing()
        self._taken = self._written - (unsent := self._count_unsent())
        if unsent and self._taken - before >= TAKEN_MIN and (is_ending or not self.is_writable):  # slow, not idle
            self.expect_within(self.server.limits.write)
        elif is_ending or not self.is_writable:
            self.transport.abort()
        elif state is State.BODY or (state is State.HEAD and self._reader.has_begun):
            self._reader.stop()
            what = "body" if state is State.BODY else "head"
            self.refuse(messages.error(408, "timeout", f"The request's {what} took too long to come. Send it again."))
        elif self._ahead:  # it is not the client that takes the time
            self.expect_within(self.server.limits.idle)
        else:
            self._close()

    def stop(self, patience: float) -> None:
        """Make ready for the server's end: an idle client goes at once, one that is sending has `patience` seconds."""
        if self._current is None and self._reader.state is State.IDLE and not self._ahead:
            self._close()
        elif self._current is None and self._reader.state is not State.DEAF:
            self.deadline = min(self.deadline, self.server.now() + patience)

    def _leave(self) -> None:
        """Close; where the client may still be sending, say that no more comes and drop that for a moment before."""
        self._leaves_unread = self._leaves_unread or bool(self._ahead)
        self._ahead.clear()
        if self._has_ended or not self._leaves_unread:
            self._close()
        elif not self.transport.is_closing():
            self._expect_end()
            self.transport.resume_reading()
            self.transport.write_eof()

    def _close(self) -> None:
        """Close once the client has taken what was sent."""
        self._expect_end()
        self.transport.close()

    def _expect_end(self) -> None:
        unsent = self._count_unsent()
        self._taken = self._written - unsent
        self.expect_within(self.server.limits.write if unsent else LINGER)

    def _count_unsent(self) -> int:
        """Return how many bytes the client has not taken: of ours, and of the kernel's (up to megabytes)."""
        queued = array("i", [0])
        with contextlib.suppress(OSError):  # the connection is gone already
            fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
        return int(self.transport.get_write_buffer_size()) + queued[0]
