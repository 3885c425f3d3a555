"""One request on its way: what it asks for, its deadlines, and how far it got."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .outcome import Outcome, Request
from .resolver import Endpoint
from .urls import Target

if TYPE_CHECKING:
    from .connection import Connection
    from .lookups import Pending

Done = Callable[[Outcome], Any]


class Exchange:
    """The state of one request between `Transport.submit` and its outcome. Times are `time.monotonic` seconds.

    Attributes:
        key: Whose connections it may use: its owner's to its origin, made with its client certificate; None when its
            connection is for it alone.
        connect_by, deadline: When the TCP connection must stand, and when everything must be over.
        connection: What carries it now; None while it waits for a name or for a kept connection.
        fresh: It may not go over a kept connection any more: one failed it.
        endpoints, position: The vetted addresses of a new connection, and which of them is being tried.
        failure: errno of the failed connect that says most about the receiver.
        launched: When the request was given to libcurl, for the latest try.
    """

    __slots__ = (
        "connect_by", "connect_timer", "connected_from", "connection", "deadline", "dns_ms", "dns_started", "done",
        "endpoints", "failure", "finished", "fresh", "key", "launched", "lookup", "position", "request", "resent",
        "started", "target", "timer",
    )  # fmt: skip

    def __init__(self, request: Request, target: Target, done: Done) -> None:
        self.request = request
        self.target = target
        owner = request.connection_owner
        certificate = request.client_certificate
        self.key = None if owner is None else (owner, target.scheme, target.host, target.port, certificate)
        self.done = done
        self.started = time.monotonic()
        self.deadline = self.started + request.total_timeout
        self.connect_by = self.started + min(request.connect_timeout, request.total_timeout)
        self.resent = False
        self.fresh = False
        self.finished = False
        self.timer: list[Any] | None = None
        self.connect_timer: list[Any] | None = None
        self.restart()

    def restart(self) -> None:
        """Forget what the first try measured; the deadlines stay."""
        self.connection: Connection | None = None
        self.lookup: Pending | None = None
        self.endpoints: list[Endpoint] = []
        self.position = 0
        self.failure: int | None = None
        self.dns_started: float | None = None
        self.dns_ms: float | None = None
        self.connected_from: float | None = None
        self.launched = self.started
