"""Clients that send requests faster than they are answered take turns, beside those who wait for each answer.

What such a client sent is in memory already, so nothing but this decides how much of the loop's time it takes: in each
of its rounds a few of them have one request read. Everybody else is read and answered between two rounds.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhooks_project.server.connection import Connection

A_ROUND: Final = 8
"""Connections that have a turn in a round of the loop; each reads one request."""


class Rounds:
    """Connections whose next request has come already. Lives on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Connection, None] = {}  # in the order they came
        self._is_called = False

    def add(self, connection: Connection) -> None:
        """Give a connection its turn, after those that wait for theirs."""
        self._waiting[connection] = None
        self._call()

    def _call(self) -> None:
        if self._waiting and not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._go_round)

    def _go_round(self) -> None:
        self._is_called = False
        for connection in list(itertools.islice(self._waiting, A_ROUND)):
            del self._waiting[connection]
            connection.take_turn()
        self._call()
