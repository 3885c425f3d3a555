"""Which requests to publish are answered directly, and how: what the views would say, without the views.

Those are nearly all: an API key, JSON, no query, no demand for another format. Whatever else there is to a request, and
whatever is wrong with it, is left to Django's views, so that there is one place for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import orjson
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework.exceptions import APIException

from deliveries.api import envelopes, events
from deliveries.api.events import EventBatch, EventList, receipt
from deliveries.db.outages import is_outage
from deliveries.publishing import service
from deliveries.publishing.chunks import Uncertain
from deliveries.publishing.service import Checked, Published
from deliveries.publishing.validation import NewEvent
from subscriptions.api import idempotency
from subscriptions.api.base import ApiView
from subscriptions.api.errors import Handler, LimitReached, Unavailable
from subscriptions.conf import settings
from subscriptions.credentials import Credential
from subscriptions.limits import Quota

Headers = list[tuple[str, str]]

UNCERTAIN: Final = (
    "The database broke off while it stored this, so it may be stored. Repeat the request in a few seconds, under the "
    "same ids or Idempotency-Key."
)

LARGE: Final = 256 * 1024
"""Bytes of a body above which the views take it: so much work in one piece would keep others waiting."""


class Request(Protocol):
    """A request that was read whole (webhooks_project.server.messages)."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    quota: Quota | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """One of the two ways to publish: its view, and how a body becomes events and they an answer."""

    view: type[ApiView]
    read: Callable[[bytes], list[NewEvent]]
    render: Callable[[list[Published]], tuple[int, Any]]


ROUTES: Final = {
    "/api/v1/events": Route(
        EventList,
        lambda body: [envelopes.single(body)],
        lambda published: (200 if published[0].duplicate else 201, receipt(published[0])),
    ),
    "/api/v1/events/batch": Route(
        EventBatch, envelopes.batch, lambda published: (201, {"events": [receipt(one) for one in published]})
    ),
}


def token_of(request: Request) -> str | None:
    """Return the API key of a request that may be answered directly; None for all others."""
    headers = request.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token.startswith("ak_") or request.query or not 0 < len(request.body) <= LARGE:
        return None
    key = headers.get("idempotency-key")
    is_direct = (
        "transfer-encoding" not in headers
        and "cookie" not in headers  # a session that ended is taken off the client
        and _is_json(headers.get("content-type", ""))
        and _takes_json(headers.get("accept", ""))
        and (key is None or idempotency.is_key(key))
    )
    return token if is_direct else None


def events_of(request: Request, credential: Credential) -> Checked | None:
    """Return the events that a request publishes, checked; None when the view has something to say about them."""
    if "publish" not in credential.scopes:
        return None
    try:
        items = ROUTES[request.path].read(request.body)
        if not 0 < len(items) <= settings.WEBHOOKS_BATCH_MAX:
            return None
        return service.check(items, credential.merchant)
    except (APIException, ValidationError):
        return None


def answer(request: Request, published: list[Published], site_headers: Headers, quota: Quota | None) -> Answer:
    """Return the view's answer to a request whose events are stored."""
    status, body = ROUTES[request.path].render(published)
    return Answer(status, _headers(request, site_headers, quota, "private, no-cache"), orjson.dumps(body))


def refusal(request: Request, site_headers: Headers, quota: Quota) -> Answer:
    """Return the view's answer to a request that is over its limit."""
    return _error(request, LimitReached(quota), site_headers, quota)


def id_taken(request: Request, error: service.IdTaken, site_headers: Headers, quota: Quota | None) -> Answer:
    """Return the view's answer to a request with an id that stands for another event."""
    return _error(request, events.id_taken(error), site_headers, quota)


def failure(request: Request, error: Exception, site_headers: Headers, quota: Quota | None) -> Answer:
    """Return the answer to a request that failed: 503 where the database is away, or broke off in the middle."""
    told = APIException()
    if isinstance(error, Uncertain):
        told = Unavailable(UNCERTAIN)
    elif is_outage(error):
        told = Unavailable()
    return _error(request, told, site_headers, quota)


def _error(request: Request, error: APIException, site_headers: Headers, quota: Quota | None) -> Answer:
    # Only the handler's reports of unknown errors read it.
    context: Any = {"view": None, "request": None, "args": (), "kwargs": {}}
    response = Handler(error, context).run()
    assert response is not None
    headers = _headers(request, site_headers, quota, "no-store")
    headers += [(name, str(value)) for name, value in response.headers.items() if name == "Retry-After"]
    return Answer(response.status_code, headers, orjson.dumps(response.data))


def _headers(request: Request, site_headers: Headers, quota: Quota | None, caching: str) -> Headers:
    headers = [*site_headers, *_of_view(request.path), ("Cache-Control", caching)]
    return headers + list(quota.headers().items()) if quota is not None else headers


@lru_cache(maxsize=len(ROUTES))
def _of_view(path: str) -> Headers:
    view = ROUTES[path].view()
    view.setup(HttpRequest())  # which makes HEAD one of the methods that it allows
    return [("Content-Type", "application/json"), *view.default_response_headers.items()]


@lru_cache(maxsize=128)
def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


@lru_cache(maxsize=128)
def _takes_json(accept: str) -> bool:
    """Tell whether the renderer's plain JSON will do, without weighing preferences or parameters."""
    ranges = {each.strip() for each in accept.split(",")}
    return ";" not in accept and (accept == "" or bool(ranges & {"*/*", "application/json"}))
