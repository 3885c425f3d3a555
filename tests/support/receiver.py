"""A well-behaved receiver for tests, on real sockets, that verifies, records, and can be told to misbehave.

    with TestReceiver(dialect="litestore", secret=secret) as receiver:
        receiver.fail_next(2)                 # 503 to the next two requests, then as usual
        webhook = make_webhook(url=receiver.url, dialect="litestore", secret=secret)
        ...
        receiver.wait_for(3)
    assert receiver.statuses == [503, 503, 200]
    assert receiver.problems == []

Keep-alive HTTP/1.1, a thread a connection; `tests.support.hostile` has the receivers that break HTTP itself.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from deliveries.management.receiver import Answer, Receiver, Request, Seen


@dataclass(frozen=True)
class Received:
    """A request as it came in, how it was answered, and why it didn't verify (empty if it did)."""

    request: Request
    message_id: str
    status: int
    problem: str

    @property
    def headers(self):
        return self.request.headers

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def received_at(self) -> float:
        return self.request.received_at

    def json(self) -> Any:
        return json.loads(self.body)


class TestReceiver(Receiver):
    """Receives at `url`; answers 200 unless told otherwise, and 401 to what doesn't verify where a secret is given."""

    __test__ = False

    def __init__(self, *, dialect: str = "", secret: str = "", path: str = "/hooks", **manner: Any) -> None:
        super().__init__(dialect=dialect, secret=secret, on_seen=self._record, **manner)
        self._path = path
        self._received: list[Received] = []
        self._news = threading.Condition()
        self._script: deque[Answer] = deque()

    @property
    def url(self) -> str:
        return super().url + self._path

    # --- what came ---

    @property
    def requests(self) -> list[Received]:
        with self._news:
            return list(self._received)

    @property
    def statuses(self) -> list[int]:
        return [received.status for received in self.requests]

    @property
    def message_ids(self) -> list[str]:
        return [received.message_id for received in self.requests]

    @property
    def problems(self) -> list[str]:
        return [received.problem for received in self.requests if received.problem]

    def wait_for(self, count: int, *, timeout: float = 20.0) -> list[Received]:
        """Wait until `count` requests have come; fail with what did come when they don't within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._news:
            while len(self._received) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self._received)} of {count} requests within {timeout:g} s: {self.statuses}"
                self._news.wait(left)
            return list(self._received)

    def forget(self) -> None:
        """Start recording anew."""
        with self._news:
            self._received.clear()

    # --- how to answer ---

    def script(self, *answers: Answer | int) -> None:
        """Answer the next requests, whatever message they carry, with these answers or statuses, one each."""
        with self._news:
            self._script.extend(Answer(one) if isinstance(one, int) else one for one in answers)

    def fail_next(self, times: int, status: int = 503) -> None:
        """Answer the next `times` requests with `status`."""
        self.script(*[status] * times)

    def answer(self, request: Request, times: int, problem: str) -> Answer:
        with self._news:
            if self._script and not problem:
                return self._script.popleft()
        return super().answer(request, times, problem)

    def _record(self, seen: Seen) -> None:
        with self._news:
            self._received.append(Received(seen.request, seen.message_id, seen.status, seen.problem))
            self._news.notify_all()
