"""Requests as they were read, and answers as they are written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from webhooks_project import request_ids

if TYPE_CHECKING:
    from subscriptions.awaited import Wait
    from subscriptions.limits import Quota

Headers = list[tuple[str, str]]

BODILESS = frozenset({*range(100, 200), 204, 304})
"""Statuses whose answers have no body (RFC 9110, section 6.4.1)."""
_OURS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "x-request-id"})
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Asker(Protocol):
    """Whoever waits for an answer: a connection."""

    is_closed: bool

    def answer(self, request: Request, answer: Answer) -> None:
        """Send the answer. Call it on the loop's thread; an asker that has left ignores it."""

    def park(self, request: Request, parked: Parked) -> None:
        """Let the request wait. Call it on the loop's thread; an asker that has left ignores it."""


@dataclass(slots=True, eq=False)
class Request:
    """A request, read whole.

    Attributes:
        method, path, query: As sent; the path is percent-encoded, the query has no `?`.
        headers: Lower-case name → value; what was sent twice is joined by a comma.
        body: Its bytes; empty for a body in chunks, which isn't read (`headers` has `transfer-encoding` then).
        version: `1.1` or `1.0`.
        client: The peer's address, "" where there is none.
        began: The loop's time when its head was complete, in seconds.
        quota: Where its credential stands, once the request was counted; the view counts it no more.
        waits_until: The loop's time until which it waits for news; 0 for one that never waited.
        request_id: What names it in log lines and in its answer; empty until it is handed on.
        whose: Whose turn it takes (`clients.Clients`); empty until Django is to answer it.
        owner: Whose it was found to be (`subscriptions.askers`); empty until it was answered, and for who isn't known.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    version: str
    client: str
    asker: Asker
    began: float
    body: bytes = b""
    keeps_alive: bool = True
    quota: Quota | None = None
    waits_until: float = 0.0
    request_id: str = ""
    whose: str = ""
    owner: str = ""


@dataclass(slots=True, eq=False)
class Answer:
    """A status, headers and a body; or, with `more`, a body that comes in pieces.

    `more` returns the next piece, b"" at the end. It may block, so it is called on a thread, never twice at a time, and
    not before the client has taken most of what came before. `close` is called once, on a thread, however it ended.
    """

    status: int
    headers: Headers
    body: bytes = b""
    more: Callable[[], bytes] | None = None
    close: Callable[[], None] | None = None


@dataclass(slots=True, eq=False)
class Later:
    """An answer that can be made once `ready` is there; until then no thread waits.

    `make` never raises; it is called once, on a thread.
    """

    ready: Future[Any]
    make: Callable[[], Answer]


@dataclass(slots=True, eq=False)
class Parked:
    """An answer that says that there is nothing new: given when the wait is over, unless there are news before."""

    wait: Wait
    answer: Answer


def error(status: int, code: str, detail: str, **headers: str) -> Answer:
    """Return an error in the API's one shape (`subscriptions.api.errors`), made without Django."""
    kind = "server_error" if status >= 500 else "client_error"
    body = json.dumps(
        {"type": kind, "errors": [{"code": code, "detail": detail, "attr": None}]},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    fixed = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, list((fixed | more).items()), body.encode())


def busy() -> Answer:
    """Return the answer to one request too many."""
    return error(503, "busy", "Too many requests wait. Try again.", Retry_After="1")


def too_many() -> Answer:
    """Return the answer to one request too many of one client."""
    told = "Too many requests of yours wait to be answered. Try again when some of them have been."
    return error(429, "too_many_requests", told, Retry_After="1")


def encode(request: Request | None, answer: Answer, *, keep_alive: bool, request_id: str = "") -> bytes:
    """Return an answer's bytes; of a streamed one the head only.

    `request` is None when none could be read; `request_id` then names the answer.
    """
    lines = [_LINES.get(answer.status) or f"HTTP/1.1 {answer.status} \r\n", _date()]
    if request_id := request.request_id if request is not None else request_id:
        lines.append(f"{request_ids.NAME}: {request_id}\r\n")
    length: str | None = None
    for name, value in answer.headers:
        lower = name.lower()
        if lower not in _OURS:
            lines.append(f"{name}: {value}\r\n")
        elif lower == "content-length":
            length = value
    head_only = request is not None and request.method == "HEAD"
    if answer.more is not None:
        lines.append(f"Content-Length: {length}\r\n" if length is not None else _chunked(request))
    elif answer.status not in BODILESS:
        lines.append(f"Content-Length: {length if head_only and length is not None else len(answer.body)}\r\n")
    if not keep_alive:
        lines.append("Connection: close\r\n")
    lines.append("\r\n")
    head = "".join(lines).encode("latin-1")
    return head if head_only or answer.status in BODILESS else head + answer.body


def is_chunked(request: Request, answer: Answer) -> bool:
    """Tell whether the pieces of a streamed answer are framed: its length isn't known and the client knows chunks."""
    return request.version == "1.1" and not any(name.lower() == "content-length" for name, _ in answer.headers)


def _chunked(request: Request | None) -> str:
    return "Transfer-Encoding: chunked\r\n" if request is None or request.version == "1.1" else ""


_now: dict[str, Any] = {"second": 0, "line": ""}


def _date() -> str:
    second = int(time.time())
    if second != _now["second"]:
        _now["line"] = f"Date: {formatdate(second, usegmt=True)}\r\n"
        _now["second"] = second
    line: str = _now["line"]
    return line
