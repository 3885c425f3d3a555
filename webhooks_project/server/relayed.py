"""Requests and answers between web processes and page processes, on a Unix socket of their own: one request each.

A request is one frame: its fields by `marshal` (both ends are the same program, and nobody else has the socket). Its
answer is the client's bytes in frames as they are made; an empty frame says that all of it was sent. One that may wait
for news is a frame of another kind, since waiting costs the web process nothing.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any, Final

from subscriptions.awaited import Wait
from subscriptions.limits import Quota
from webhooks_project.server.connection import Connection
from webhooks_project.server.messages import Answer, Asker, Parked, Request

if TYPE_CHECKING:
    from webhooks_project.server.serving import Server

LENGTH: Final = 4
"""Bytes before each frame that say how long it is."""
PARKED: Final = 1 << 31
"""Added to the length of a frame that holds no answer, but one that may wait for news, in the web process."""
OWNER: Final = 1 << 30
"""Added to the length of a frame that says whose the request was found to be, before its answer."""


def frame(data: bytes) -> bytes:
    """Return data with its length before it."""
    return len(data).to_bytes(LENGTH) + data


def packed(request: Request) -> bytes:
    """Return a request as a frame."""
    fields = [getattr(request, name) for name in _FIELDS]
    return frame(marshal.dumps([*fields, _fields_of(request.quota)]))


def unpacked(data: bytes, asker: Asker) -> Request:
    """Return the request that a frame holds."""
    *fields, quota = marshal.loads(data)  # noqa: S302 - from our own web process
    request = Request(**dict(zip(_FIELDS, fields, strict=True)), asker=asker)
    request.quota = Quota(*quota) if quota else None
    return request


def parked_frame(parked: Parked) -> bytes:
    """Return an answer that may wait as a frame."""
    wait, answer = parked.wait, parked.answer
    fields = (wait.webhook_id, wait.merchant_id, wait.seconds, _fields_of(wait.quota))
    data = marshal.dumps([*fields, answer.status, answer.headers, answer.body])
    return (PARKED | len(data)).to_bytes(LENGTH) + data


def owner_frame(owner: str) -> bytes:
    """Return whose a request was found to be as a frame."""
    data = owner.encode()
    return (OWNER | len(data)).to_bytes(LENGTH) + data


def parked(data: bytes) -> Parked:
    """Return the answer that such a frame holds."""
    webhook_id, merchant_id, seconds, quota, *answer = marshal.loads(data)  # noqa: S302 - from our own page process
    return Parked(Wait(webhook_id, merchant_id, seconds, Quota(*quota) if quota else None), Answer(*answer))


def _fields_of(quota: Quota | None) -> list[int] | None:
    return [getattr(quota, name) for name in _QUOTA] if quota else None


_FIELDS: Final = ("method", "path", "query", "headers", "version", "client", "began", "body", "keeps_alive", "whose")
_QUOTA: Final = tuple(Quota.__dataclass_fields__)


class RelayedConnection(Connection):
    """A web process that asks for a page, in a page process: its end is the client's end."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._received = bytearray()
        self._is_asked = False

    def connection_made(self, transport: Any) -> None:
        """Wait for the request, which comes at once."""
        super().connection_made(_Framing(transport))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes, of which nothing is another request's."""
        return self.server.buffer

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._received += data
        size = int.from_bytes(self._received[:LENGTH])
        if self._is_asked or len(self._received) < max(LENGTH, LENGTH + size):
            return
        self._is_asked = True
        request = unpacked(bytes(self._received[LENGTH:]), self)
        self._received.clear()
        self.client = request.client
        self.take(request)

    def expect_within(self, seconds: float) -> None:
        """Set no deadline: web processes keep their clients', and take an answer no faster than those do."""

    def answer(self, request: Request, answer: Answer) -> None:
        """Say whose the request was, and answer it."""
        if request.owner and not self.is_closed and request is self._current:
            self.transport.tell_owner(request.owner)
        super().answer(request, answer)

    def park(self, request: Request, parked: Parked) -> None:
        """Leave the waiting to the web process."""
        if not self.is_closed and request is self._current:
            self._current = None
            if request.owner:
                self.transport.tell_owner(request.owner)
            self.transport.park(parked)
            self._close()

    def _answered(self) -> None:
        """Say that the answer was sent whole, and leave."""
        self._current = None
        self.transport.write(b"")
        self._close()


class _Framing:
    """A transport that writes frames."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send data as one frame."""
        self._transport.write(frame(data))

    def park(self, parked: Parked) -> None:
        """Send an answer that may wait."""
        self._transport.write(parked_frame(parked))

    def tell_owner(self, owner: str) -> None:
        """Send whose the request was found to be."""
        self._transport.write(owner_frame(owner))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
