"""What an answer adds to the metrics: about a microsecond, on the loop (`bench/meters.py`)."""

from __future__ import annotations

from typing import Final

from deliveries import meters
from subscriptions import tallies
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.routes import route_of

_FIELDS: Final = {
    (route, hundred): meters.RESPONSES.field(route, f"{hundred}xx")
    for route in meters.ROUTES
    for hundred in range(1, 6)
}


def count(request: Request | None, answer: Answer, now: float) -> None:
    """Count an answer that is about to be sent; `request` is None where none could be read, `now` the loop's time."""
    route = route_of(request.method, request.path) if request is not None else "other"
    counts = {_FIELDS[route, answer.status // 100]: 1}
    if route == "publish" and request is not None:
        meters.ANSWERING.add_to(counts, now - request.began)
    tallies.keep_all(counts)
