"""A receiver whose manners a seed decides, for each attempt of each delivery, and its side of the ledger."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from tests.faults.stage import Key
from tests.support.hostile import Connection, HostileServer, Received

RETRY_AFTER = 1
"""Seconds asked for by answers of 429."""
HANG = 3.0
"""Seconds; longer than the webhooks' timeout."""


@dataclass(frozen=True)
class Request:
    """One request as the receiver saw it. `accepted`: it answered 2xx. `unanswered`: what it said was no answer.

    `clock_off`: by how many seconds its signature's time is ahead of the receiver's clock.
    """

    key: Key
    attempt: int
    at: float
    manner: str
    clock_off: float

    @property
    def accepted(self) -> bool:
        return self.manner in ACCEPT

    @property
    def unanswered(self) -> bool:
        return self.manner in NO_ANSWER


def _fine(connection: Connection) -> None:
    connection.answer()


def _fine_but_closes(connection: Connection) -> None:
    connection.answer()
    connection.sock.close()  # though HTTP/1.1 promises to keep it


def _fine_but_breaks_off(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf a")
    connection.reset()


def _fine_without_end(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(40):
        connection.send(b"\x00" * 65536)
    connection.sock.close()


def _asks_for_time(connection: Connection) -> None:
    connection.answer("429 Slow Down", headers=f"Retry-After: {RETRY_AFTER}\r\n")


def _asks_for_a_date(connection: Connection) -> None:
    now = time.time()
    date, later = formatdate(now, usegmt=True), formatdate(now + RETRY_AFTER, usegmt=True)
    connection.answer("429 Slow Down", headers=f"Date: {date}\r\nRetry-After: {later}\r\n")


def _drips(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 200, 0.1)


MANNERS: dict[str, tuple[int, Callable[[Connection], None]]] = {
    "fine": (60, _fine),
    "fine, closes": (8, _fine_but_closes),
    "fine, breaks off": (3, _fine_but_breaks_off),
    "fine, without end": (1, _fine_without_end),
    "500": (9, lambda connection: connection.answer("500 Oh")),
    "429, seconds": (4, _asks_for_time),
    "429, date": (3, _asks_for_a_date),
    "redirect": (2, lambda connection: connection.answer("302 Found", headers="Location: http://127.0.0.1:9/\r\n")),
    "garbage": (2, lambda connection: connection.send(b"\x00\xff\r\n\r\n")),
    "reset": (3, lambda connection: connection.reset()),
    "closes": (2, lambda connection: connection.sock.close()),
    "hangs": (2, lambda connection: connection.sleep(HANG)),
    "drips": (1, _drips),
}
"""Name → weight, action."""
IN_ORDER_FINE = 0.5
"""The share of requests to webhooks that keep an order which are simply answered: their lines would take too long."""
ACCEPT = frozenset(name for name in MANNERS if name.startswith("fine"))
NO_ANSWER = frozenset({"reset", "closes", "garbage"})
_ENDS_CONNECTION = frozenset(MANNERS) - {"fine", "500", "429, seconds", "429, date", "redirect"}


class SeededReceiver(HostileServer):
    """Receives for any number of webhooks, told apart by path: `url` is the base."""

    def __init__(self, seed: int) -> None:
        super().__init__(self._handle)
        self.seed = seed
        self.seen: list[Request] = []
        self._ledger = threading.Lock()

    @property
    def base(self) -> str:
        return self.url.removesuffix("/hook")

    def _handle(self, connection: Connection) -> None:
        while True:
            manner = self._note(connection.read_request())
            MANNERS[manner][1](connection)
            if manner in _ENDS_CONNECTION:
                return

    def _note(self, received: Received) -> str:
        key = (self.base + received.line.split(" ")[1], received.headers["webhook-id"])
        attempt = int(received.headers["webhook-attempt"])
        clock_off = int(received.headers["webhook-timestamp"]) - time.time()
        manner = self._manner(key, attempt)
        with self._ledger:
            self.seen.append(Request(key, attempt, time.monotonic(), manner, clock_off))
        return manner

    def _manner(self, key: Key, attempt: int) -> str:
        path = key[0].rsplit("/", 1)[1]
        dice = random.Random(f"{self.seed}:{path}:{key[1]}:{attempt}")
        if not path.isdecimal() and dice.random() < IN_ORDER_FINE:
            return "fine"
        return dice.choices(list(MANNERS), [weight for weight, _action in MANNERS.values()])[0]
