"""A client of the REST API that publishes, and repeats what failed under the same ids, as clients should."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException

from tests.faults.publisher import event

TIMEOUT = 5.0
"""Seconds for a request."""
PATIENCE = 6.0
"""Seconds for which a request that failed is repeated; a web process that was killed is replaced sooner, mostly."""
PAUSE = 0.2


class Poster:
    """Publishes on a thread of its own, in the order it is told, to whichever web process `port` names.

    Attributes:
        accepted, refused: Ids; of the refused some may be stored: a request that broke after its commit.
        at_once: Those accepted at the first try.
        repeated: How many requests were sent again.
        problems: Answers that no fault explains.
    """

    def __init__(self, port: Callable[[], int], key: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._orders: queue.Queue[tuple[list[str], bool] | None] = queue.Queue()
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self.at_once: list[str] = []
        self.repeated = 0
        self.problems: list[str] = []
        self._thread = threading.Thread(target=self._run, name="poster", daemon=True)
        self._thread.start()

    def send(self, ids: Sequence[str], *, batch: bool) -> None:
        """Order an event with each of these ids, in one request or one each; returns at once."""
        self._orders.put((list(ids), batch))

    def finish(self, seconds: float = 60.0) -> None:
        """Wait until all orders are carried out."""
        self._orders.put(None)
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"requests were not answered within {seconds:g} s"
        assert self.problems == []

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            ids, batch = order
            events = [event(name) for name in ids]
            if batch:
                self._note(ids, self._post("/api/v1/events/batch", {"events": events}))
            else:
                for name, one in zip(ids, events, strict=True):
                    self._note([name], self._post("/api/v1/events", one))

    def _note(self, ids: list[str], tries: int) -> None:
        (self.accepted if tries else self.refused).extend(ids)
        if tries == 1:
            self.at_once += ids

    def _post(self, path: str, body: object) -> int:
        """Send until it is accepted or patience ends; return at which try it was, or 0."""
        ends = time.monotonic() + PATIENCE
        for tries in itertools.count(1):
            status, text = self._once(path, json.dumps(body))
            if status in {200, 201}:
                return tries
            if status and status < 500:
                self.problems.append(f"{path} was answered {status}: {text[:300]}")
                break
            if time.monotonic() > ends:
                break
            self.repeated += 1
            time.sleep(PAUSE)
        return 0

    def _once(self, path: str, body: str) -> tuple[int, str]:
        """Return the answer; status 0 when none came."""
        connection = HTTPConnection("127.0.0.1", self._port(), timeout=TIMEOUT)
        try:
            connection.request("POST", path, body, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()
