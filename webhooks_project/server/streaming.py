"""An answer in pieces: each is asked for when the client has taken most of the one before, so none piles up here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subscriptions.logs import get_logger
from webhooks_project.server import messages
from webhooks_project.server.messages import Answer, Request

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

log = get_logger(__name__)


class Stream:
    """A streamed answer on its way. A piece is made on a thread, which is free again while the client reads."""

    def __init__(self, connection: Connection, request: Request, answer: Answer) -> None:
        self._connection = connection
        self._request = request
        self._answer = answer
        self._chunked = messages.is_chunked(request, answer)
        lengths = [int(value) for name, value in answer.headers if name.lower() == "content-length"]
        self._missing = lengths[0] if lengths else None  # bytes still to come, where they were announced
        self._is_pulling = False
        self._is_over = False

    def pull(self) -> None:
        """Have the next piece made, unless it is being made."""
        if not self._is_pulling and not self._is_over:
            self._is_pulling = True
            self._connection.server.run(self._make, self._request)

    def end(self) -> None:
        """Make no more pieces: the client has left, or wanted only the head."""
        if not self._is_over:
            self._is_over = True
            if not self._is_pulling:
                self._close()

    def _make(self) -> None:
        piece: bytes | None = None
        try:
            assert self._answer.more is not None
            with self._connection.server.leaving.reading_for(self._connection):
                piece = self._answer.more()
        except Exception:  # whatever it is, the client must see that its answer broke off
            log.exception("stream_failed")
        self._connection.server.tell(self._made, piece)

    def _made(self, piece: bytes | None) -> None:
        self._is_pulling = False
        if self._is_over:
            self._close()
            return
        if piece and self._missing is not None:
            self._missing -= len(piece)
        if piece is None or (self._missing or 0) < 0 or (not piece and self._missing):
            self._finish(whole=False)
        elif piece:
            write = self._connection.write
            write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
            if self._connection.is_writable:
                self.pull()
        else:
            if self._chunked:
                self._connection.write(b"0\r\n\r\n")
            self._finish(whole=True)

    def _finish(self, *, whole: bool) -> None:
        self._is_over = True
        self._close()
        self._connection.streamed(whole=whole)

    def _close(self) -> None:
        if self._answer.close is not None:
            self._connection.server.run(self._answer.close, self._request)
