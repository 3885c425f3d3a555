"""Answers that wait for somebody outside, such as a merchant's endpoint, without a thread that waits with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final

from django.http import HttpRequest, StreamingHttpResponse

WAITS: Final = "webhooks.waits"
"""In META of requests whose server can wait for `AwaitedResponse.awaited`."""


class AwaitedResponse(StreamingHttpResponse):
    """An answer whose body is made of what somebody outside says, once that is there; status and headers stand before.

    For requests of which `is_possible` is true.

    Args:
        awaited: What is waited for. It must end in time by itself.
        make: Makes the body of its result, on any thread. May be replaced by who needs to know of the body.
        options: StreamingHttpResponse's.
    """

    def __init__(self, awaited: Future[Any], make: Callable[[Any], bytes], **options: Any) -> None:
        self.awaited = awaited
        self.make = make
        super().__init__(self._pieces(), **options)

    def _pieces(self) -> Iterator[bytes]:
        yield self.make(self.awaited.result())


def is_possible(request: HttpRequest) -> bool:
    """Tell whether the request's server can wait without a thread, as ours can (webhooks_project.server.pages)."""
    return WAITS in request.META
