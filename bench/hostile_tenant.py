"""The hostile tenant of bench.hostile, in a process of its own: so its client costs the normal tenant's nothing.

Reads what to attack as JSON from its first argument (see `Plan`) and goes on until it is ended. It writes what the
answers were, by attack and status, when it ends.
"""

from __future__ import annotations

import collections
import dataclasses
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

NICE = 10
"""Its client runs behind everybody else: it stands for machines that are not this one."""
PAUSE = 0.2
"""Seconds between two requests of one connection."""
LOG = "/admin/webhooks_deliveries/delivery/"
EXPORT = f"{LOG}export/csv/?all=true"
REGEX = f"{LOG}?event__data__regex=(x%2B)%2By"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to attack: the port, an API key, a page's cookie, a webhook with a silent endpoint, how many a kind."""

    port: int
    key: str
    cookie: str
    silent: str
    event: dict[str, Any]
    connections: dict[str, int]


class Attacks:
    """Carries a plan out, a thread a connection; slow ones share a thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._key = {"Authorization": f"Bearer {plan.key}", "Content-Type": "application/json"}
        self.answers: collections.Counter[str] = collections.Counter()

    def start(self) -> None:
        """Begin."""
        for kind, count in self._plan.connections.items():
            if kind == "slow":
                threading.Thread(target=self._slow, args=(count,), daemon=True).start()
                continue
            for _ in range(count):
                threading.Thread(target=self._repeat, args=(kind, getattr(self, f"_{kind}")), daemon=True).start()

    def _repeat(self, kind: str, attack: Callable[[], tuple[str, str, Any, dict[str, str]]]) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._plan.port, timeout=12)
            try:
                method, path, body, headers = attack()
                connection.request(method, path, json.dumps(body) if body is not None else None, headers)
                answer = connection.getresponse()
                answer.read()
                self.answers[f"{kind} {answer.status}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"{kind} {type(error).__name__}"] += 1
            finally:
                connection.close()
            time.sleep(PAUSE)

    def _monster(self) -> tuple[str, str, Any, dict[str, str]]:
        return "POST", "/api/v1/events", self._plan.event, self._key

    def _test(self) -> tuple[str, str, Any, dict[str, str]]:
        return "POST", f"/api/v1/webhooks/{self._plan.silent}/test", {}, self._key

    def _regex(self) -> tuple[str, str, Any, dict[str, str]]:
        return "GET", REGEX, None, {"Cookie": self._plan.cookie}

    def _export(self) -> tuple[str, str, Any, dict[str, str]]:
        return "GET", EXPORT, None, {"Cookie": self._plan.cookie}

    def _list(self) -> tuple[str, str, Any, dict[str, str]]:
        return "GET", LOG, None, {"Cookie": self._plan.cookie}

    def _slow(self, count: int) -> None:
        """Hold `count` connections whose heads or bodies come a byte a second; one that is closed is opened anew."""
        line = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
        body = line + "".join(f"{name}: {value}\r\n" for name, value in self._key.items()) + "Content-Length: 60000\r\n"
        starts, drips = (f"{line}X-A: ".encode(), f"{body}\r\n".encode()), (b"a", b" ")
        held: dict[int, socket.socket] = {}
        while True:
            for number in range(count):
                try:
                    if number not in held:
                        held[number] = socket.create_connection(("127.0.0.1", self._plan.port), timeout=2)
                        held[number].sendall(starts[number % 2])
                    else:
                        held[number].sendall(drips[number % 2])
                except OSError:
                    self.answers["slow closed"] += 1
                    if number in held:
                        held.pop(number).close()
                time.sleep(1 / count)


def main() -> None:
    attacks = Attacks(Plan(**json.loads(sys.argv[1])))

    def end(*_: object) -> None:
        print(f"  answers: {dict(sorted(attacks.answers.items()))}", flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    os.nice(NICE)
    attacks.start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
