"""Django behind the loop: requests that were read whole are answered by its handler, on threads."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.core import signals
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from subscriptions.askers import owner_of
from subscriptions.awaited import WAITS, AwaitedResponse, wait_of
from subscriptions.limits import COUNTED
from subscriptions.logs import get_logger
from webhooks_project.server import messages
from webhooks_project.server.messages import Answer, Later, Parked, Request

log = get_logger(__name__)

PIECE: Final = 64 * 1024
"""Bytes gathered before a piece of a streamed answer is sent."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


class Pages(BaseHandler):
    """Django's handler, as WSGIHandler is: requests are WSGIRequests, and the signals around each are sent."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.load_middleware()
        self._environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "wsgi.version": (1, 0),
            "wsgi.errors": io.StringIO(),  # Django writes nothing there; what it logs goes to our log
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            WAITS: True,
        }

    def respond(self, request: Request) -> Answer | Later | Parked:
        """Return the answer to a request. Never raises; blocks as long as the view takes.

        An answer that waits for somebody outside comes later, and holds neither thread nor database session till then.
        """
        environ = self.environ(request)
        set_script_prefix("/")
        try:
            signals.request_started.send(sender=self.__class__, environ=environ)
            asked = WSGIRequest(environ)
            response = self.get_response(asked)
            request.owner = owner_of(asked)
            response._handler_class = self.__class__  # type: ignore[attr-defined]  # whose request has finished
            if isinstance(response, AwaitedResponse):
                close_old_connections()
                return Later(response.awaited, lambda: self._finish(request, response))
            wait = wait_of(response)
            return _answer(response) if wait is None else Parked(wait, _answer(response))
        except Exception:  # noqa: BLE001 - not a view's, which Django answers: a signal's or the response's own
            return _failed(request)

    def _finish(self, request: Request, response: AwaitedResponse) -> Answer:
        """Return the answer that was waited for."""
        set_script_prefix("/")
        try:
            return _answer(response)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer
            return _failed(request)

    def environ(self, request: Request) -> dict[str, Any]:
        """Return the request as CGI's variables, which WSGIRequest is made of (PEP 3333)."""
        headers = request.headers
        # A proxy on this machine says how it was asked; others are believed by Django's SECURE_PROXY_SSL_HEADER alone.
        trusted = request.client in LOOPBACK and headers.get("x-forwarded-proto") == "https"
        environ: dict[str, Any] = {
            **self._environ,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
            "QUERY_STRING": request.query,
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "REMOTE_ADDR": request.client,
            "wsgi.url_scheme": "https" if trusted else "http",
            "wsgi.input": io.BytesIO(request.body),
        }
        if request.quota is not None:
            environ[COUNTED] = request.quota
        for name, value in headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if (value := environ.pop("HTTP_" + name, None)) is not None:
                environ[name] = value
        return environ


def _failed(request: Request) -> Answer:
    log.exception("page_failed", path=request.path, request_id=request.request_id)
    close_old_connections()
    return messages.error(500, "error", "A server error occurred.")


def _answer(response: HttpResponseBase) -> Answer:
    """Return a response as an Answer; one that isn't streamed, or fits a piece, is finished here."""
    headers = list(response.items())
    headers += [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    status = response.status_code
    if not isinstance(response, StreamingHttpResponse):
        assert isinstance(response, HttpResponse)
        body = response.content
        response.close()
        return Answer(status, headers, body)
    try:
        pieces = _pieces(iter(response))
        first = next(pieces, b"")
        if len(first) < PIECE:  # that was all
            response.close()
            return Answer(status, headers, first)
    except BaseException:
        response.close()
        raise
    return Answer(status, headers, more=_returning_sessions(itertools.chain([first], pieces)), close=response.close)


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is streamed in pieces of PIECE bytes at least, the last aside."""
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        gathered.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered.clear()
            size = 0
    yield b"".join(gathered)


def _returning_sessions(pieces: Iterator[bytes]) -> Callable[[], bytes]:
    """Return what makes the next piece. Another thread may make the one after: no database session waits for it."""

    def more() -> bytes:
        try:
            return next(pieces, b"")
        finally:
            close_old_connections()

    return more
