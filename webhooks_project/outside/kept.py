"""What anybody may ask for and takes long to make: made once a process, and answered with an ETag that caches use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, Final, ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

KEPT_SECONDS: Final = 3600
"""Seconds for which a browser or a cache need not ask again; a release may change the answer."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer's body with its strong ETag."""

    body: bytes
    etag: str


def kept(body: bytes) -> Kept:
    """Return a body with the ETag that its bytes have in every process."""
    return Kept(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def once(make: Callable[P, T]) -> Callable[P, T]:
    """Let a function make what it returns once a process for the same arguments: one thread does, others wait for it.

    What it raises is kept for nobody.
    """
    found: Any = lru_cache(maxsize=None)(make)
    lock = Lock()

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        with lock:
            result: T = found(*args, **kwargs)
        return result

    return made


def answer(request: HttpRequest, content: Kept, content_type: str) -> HttpResponse:
    """Return the answer to GET or HEAD: 304 where the client has this body already."""
    headers = {"ETag": content.etag, "Cache-Control": f"public, max-age={KEPT_SECONDS}"}
    whole = HttpResponse(content.body, content_type=content_type, headers=headers)
    return get_conditional_response(request, etag=content.etag, response=whole)  # type: ignore[return-value]
