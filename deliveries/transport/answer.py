"""An answer as it comes in: libcurl hands over head and body piece by piece, and this keeps them within bounds."""

from __future__ import annotations

import re
from collections.abc import Callable

from .outcome import KEEP_BYTES, READ_BYTES

HEAD_BYTES = 64 * 1024
"""A response head (status line, headers, interim 1xx answers) may have so many bytes."""
BODY_WIRE_BYTES = 2 * READ_BYTES
"""So many bytes may arrive for `READ_BYTES` of body: room for the framing of chunks, not for padding without end."""
MAX_INTERIM_ANSWERS = 10
"""So many 1xx answers may precede the real one."""
MAX_BODY_READS = 1024
"""A body in more pieces than this is cut: tiny chunks cost us far more than the endpoint that sends them."""
FREE_READS = 2
"""Pieces of a body that are taken without asking how much lay around them."""

TOO_LONG = "Its body is too long; the rest was not read."
HEAD_TOO_LARGE = f"The answer's headers are larger than {HEAD_BYTES // 1024} KiB."
NOT_HTTP = "The answer is not HTTP, or its headers are malformed."

_STOP = 0  # what a callback returns to make libcurl end the transfer: fewer bytes taken than given
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n").fullmatch


class Answer:
    """Collects one answer. `on_header` and `on_body` are libcurl's callbacks; what they return is how much was taken.

    Attributes:
        status: The final answer's status, once its status line came; `complete` once the whole head did.
        lines: The final answer's head, line by line, without the blank line at its end.
        body: The first bytes of the body, at most `keep_bytes`; `read` counts all that were taken.
        fault: Why the head was refused, as a sentence.
        note: Why the body was not read to its end, as a sentence.
        overflows: Told by the owner: whether more came over the wire than an answer may take.
    """

    __slots__ = (
        "_allowance", "_interim", "_size", "body", "complete", "fault", "keep_bytes", "lines", "note", "overflows",
        "read", "read_bytes", "reads", "status",
    )  # fmt: skip

    def __init__(self, overflows: Callable[[], bool]) -> None:
        self.overflows = overflows
        self.reset(READ_BYTES, KEEP_BYTES)

    def reset(self, read_bytes: int, keep_bytes: int) -> None:
        """Make ready for the next answer."""
        self.read_bytes = read_bytes
        self.keep_bytes = keep_bytes
        self.lines: list[bytes] = []
        self.status = 0
        self.complete = False
        self.body = b""
        self.read = 0
        self.reads = 0
        self.fault: str | None = None
        self.note: str | None = None
        self._size = 0
        self._allowance = HEAD_BYTES
        self._interim = 0

    @property
    def begun(self) -> bool:
        """Whether a whole line of it arrived."""
        return self._size > 0

    def on_header(self, line: bytes) -> int | None:
        """Take a line of the head, or a trailer after the body."""
        self._size += len(line)
        if self._size > self._allowance:
            if self.complete:  # trailers without end
                self.note = TOO_LONG
            else:
                self.fault = HEAD_TOO_LARGE
            return _STOP
        if self.complete:
            return None
        if line in (b"\r\n", b"\n"):
            return self._end_head()
        self.lines.append(line)
        return None if self.status or self._read_status(line) else _STOP

    def _read_status(self, line: bytes) -> bool:
        match = _STATUS_LINE(line)
        if match is None:
            self.fault = NOT_HTTP
            return False
        self.status = int(match[1])
        # 102 and 103 are as legal as 100 (RFC 9110 §15.2); 101 answers an Upgrade we never send
        if self.status < 100 or self.status == 101:
            self.fault = NOT_HTTP
            return False
        return True

    def _end_head(self) -> int | None:
        if self.status >= 200:
            self.complete = True
            self._allowance = self._size + HEAD_BYTES
            return None
        self._interim += 1
        if self._interim > MAX_INTERIM_ANSWERS:
            self.fault = NOT_HTTP
            return _STOP
        self.lines.clear()
        self.status = 0
        return None

    def on_body(self, piece: bytes) -> int | None:
        """Take a piece of the body."""
        if len(self.body) < self.keep_bytes:
            self.body += piece[: min(self.keep_bytes - len(self.body), self.read_bytes - self.read)]
        self.read += len(piece)
        self.reads += 1
        if (
            self.read > self.read_bytes
            or self.reads > MAX_BODY_READS
            or (self.reads > FREE_READS and self.read < self.read_bytes // 2 and self.overflows())
        ):
            self.read = min(self.read, self.read_bytes)
            self.note = TOO_LONG
            return _STOP
        return None
