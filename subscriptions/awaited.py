"""Answers that wait, for a merchant's endpoint or the next event, without a thread that waits with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    from subscriptions.limits import Quota

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


@dataclass(frozen=True, slots=True)
class Wait:
    """What an answer may wait for: news of a webhook's feed.

    Attributes:
        webhook_id: Its key.
        merchant_id: Whose waits are counted together.
        seconds: How long somebody waits at most.
        quota: Where the credential stands; a request that is put to its view again is counted once.
    """

    webhook_id: int
    merchant_id: int
    seconds: float
    quota: Quota | None = None


def put_off(response: HttpResponseBase, wait: Wait) -> None:
    """Let the server give this answer when the wait is over; when there are news, it asks the view anew instead."""
    response.wait = wait  # type: ignore[attr-defined]


def wait_of(response: HttpResponseBase) -> Wait | None:
    """Return what the answer may wait for; None where it is ready."""
    return getattr(response, "wait", None)
