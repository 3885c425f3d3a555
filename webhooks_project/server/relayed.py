"""Requests and answers between web processes and page processes, on a Unix socket of their own: one request each.

A request is one frame: its fields by `marshal` (both ends are the same program, and nobody else has the socket). Its
answer is the client's bytes in frames as they are made; an empty frame says that all of it was sent.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any, Final

from subscriptions.limits import Quota
from webhooks_project.server.connection import Connection
from webhooks_project.server.messages import Asker, Request

if TYPE_CHECKING:
    from webhooks_project.server.serving import Server

LENGTH: Final = 4
"""Bytes before each frame that say how long it is."""


def frame(data: bytes) -> bytes:
    """Return data with its length before it."""
    return len(data).to_bytes(LENGTH) + data


def packed(request: Request) -> bytes:
    """Return a request as a frame."""
    fields = [getattr(request, name) for name in _FIELDS]
    quota = [getattr(request.quota, name) for name in _QUOTA] if request.quota else None
    return frame(marshal.dumps([*fields, quota]))


def unpacked(data: bytes, asker: Asker) -> Request:
    """Return the request that a frame holds."""
    *fields, quota = marshal.loads(data)  # noqa: S302 - from our own web process
    request = Request(**dict(zip(_FIELDS, fields, strict=True)), asker=asker)
    request.quota = Quota(*quota) if quota else None
    return request


_FIELDS: Final = ("method", "path", "query", "headers", "version", "client", "began", "body", "keeps_alive")
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
        self._start(request)

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
