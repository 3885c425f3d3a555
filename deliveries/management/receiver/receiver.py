"""The receiver: verifies each request, remembers how often a message came, and answers as it was told to."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from deliveries.management.receiver.server import Answer, HttpServer, Request
from merchant_webhooks import SignatureError, verify

FOREVER = math.inf
"""For `fail`: never recovers."""
MESSAGES_MAX = 200_000
"""Messages whose attempts are counted; of more, the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request and what came of it.

    `times`: how often this message has come by now; `problem`: why it didn't verify, else empty.
    """

    request: Request
    message_id: str
    times: int
    problem: str
    status: int


class Receiver:
    """Receives webhooks on loopback until stopped: a context manager.

    Args:
        dialect: Whose verification to apply; without it (or without a secret) nothing is verified.
        secret: The webhook's.
        fail: Answer 503 to the first `fail` requests of each message.
        status: What to answer otherwise.
        delay: Seconds to wait before each answer.
        on_seen: Called on the connection's thread for each request, before it is answered.
        host, port: Where to listen; port 0 takes a free one.

    A request that doesn't verify is answered 401, whatever else was asked for.
    """

    def __init__(
        self,
        *,
        dialect: str = "",
        secret: str = "",
        fail: float = 0,
        status: int = 200,
        delay: float = 0.0,
        on_seen: Callable[[Seen], None] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.dialect, self.secret = dialect, secret
        self.fail, self.status, self.delay = fail, status, delay
        self._on_seen = on_seen
        self._times: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = HttpServer(self.receive, host=host, port=port)

    @property
    def url(self) -> str:
        """Where the receiver listens, without a path."""
        return self._server.url

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    @property
    def verifies(self) -> bool:
        """Tell whether signatures are looked at."""
        return bool(self.dialect and self.secret)

    def start(self) -> Receiver:
        """Listen. Raises OSError when the port is taken."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Close all connections."""
        self._server.stop()

    def __enter__(self) -> Receiver:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def repair(self) -> None:
        """Answer 200 to everything that verifies from now on."""
        self.fail, self.status, self.delay = 0, 200, 0.0

    def receive(self, request: Request) -> Answer:
        """Return the answer to a request."""
        message_id = request.headers.get("webhook-id", "")
        times = self._count(message_id)
        problem = self._problem(request)
        answer = self.answer(request, times, problem)
        if self._on_seen:
            self._on_seen(Seen(request, message_id, times, problem, answer.status))
        return answer

    def answer(self, request: Request, times: int, problem: str) -> Answer:
        """Decide the answer: the `times`-th request of its message, which verified unless there is a `problem`."""
        if problem:
            return Answer(401, problem.encode(), delay=self.delay)
        if times <= self.fail:
            return Answer(503, f"failing on purpose, time {times}".encode(), delay=self.delay)
        return Answer(self.status, b"ok", delay=self.delay)

    def _problem(self, request: Request) -> str:
        if not self.verifies:
            return ""
        try:
            verify(request.headers, request.body, self.secret, self.dialect)
        except SignatureError as error:
            return str(error)
        return ""

    def _count(self, message_id: str) -> int:
        with self._lock:
            times = self._times[message_id] = self._times.get(message_id, 0) + 1
            if len(self._times) > MESSAGES_MAX:
                del self._times[next(iter(self._times))]
        return times
