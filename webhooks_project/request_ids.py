"""Request ids: a caller's `X-Request-ID`, or one of ours, on the answer and on every log line of the request."""

from __future__ import annotations

import itertools
import os
import re
import secrets
from collections.abc import Callable
from typing import Final

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

NAME: Final = "X-Request-ID"
_accepts: Final = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}").fullmatch
"""What a caller may choose: nothing that a log or a header would have to escape. Others are replaced."""

_begin: dict[str, str] = {}
_numbers = itertools.count(1)


def accepted(given: str | None) -> str:
    """Return the id that a caller gave, or a new one where there is none or it is not fit."""
    return given if given and _accepts(given) else new()


def new() -> str:
    """Return an id of our own; costs a fraction of a microsecond, since only a process' first is random."""
    return f"{_begin.get('process') or _begun()}-{next(_numbers):x}"


def _begun() -> str:
    _begin["process"] = secrets.token_hex(6)
    return _begin["process"]


os.register_at_fork(after_in_child=_begin.clear)


class RequestIds:
    """The outermost middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Name the request in all that is logged meanwhile, and in its answer."""
        request_id = accepted(request.META.get("HTTP_X_REQUEST_ID"))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self._get_response(request)
        response.headers[NAME] = request_id
        return response
