"""Looks after the connections that nobody uses just now: keeps, watches, closes them, and hands out blank ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .connection import Borrowed, Connection
from .exchange import Exchange
from .loop import Loop
from .pool import ConnectionPool

REAP_SECONDS = 5.0
"""So often idle connections are looked through for those to close."""
MAX_SPARE = 256
"""Easy handles without a connection that are kept for the next one."""

_TLS_ALERT = 21
_TLS13_ALERT_BYTES = 19  # two bytes of alert, one of its type, sixteen of the seal


class IdleConnections:
    """Does with idle connections what `ConnectionPool` decides. Runs on the transport's thread.

    Args:
        moved_on: Called with an exchange whose reserved connection has ended before its turn.
    """

    def __init__(
        self, loop: Loop, pool: ConnectionPool, ca_file: str | None, *, moved_on: Callable[[Exchange], None]
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._ca_file = ca_file
        self._moved_on = moved_on
        self._spare: list[Connection] = []
        self._reaping = False

    def blank(self) -> Connection:
        """Return an easy handle without a connection."""
        return self._spare.pop() if self._spare else Connection(self._loop, self._ca_file)

    def keep(self, connection: Connection, *, spoilt: bool = False) -> None:
        """Keep a connection whose answer has ended, or, where more than that came over it, close it."""
        connection.release()
        if spoilt and connection.key is not None:
            self.distrust(connection.key)
        for other in self._pool.put(connection, time.monotonic()):
            self._close(other)
        if not self._reaping:
            self._reaping = True
            self._loop.call_at(time.monotonic() + REAP_SECONDS, self._reap)

    def recycle(self, connection: Connection) -> None:
        """Make a busy connection's easy handle ready for another; its own is closed, or libcurl's to close."""
        if connection.key is not None:
            self._pool.lose(connection.key)
        self._blank_out(connection)

    def on_stir(self, connection: Connection) -> None:
        """Look at an idle connection that has something to read: the endpoint's goodbye, or bytes nobody asked for."""
        if self._pool.drop(connection):
            key = connection.key
            unasked = self._loop.is_ours(connection) and _says_something(connection)
            self._close(connection)
            if unasked and key is not None:
                self.distrust(key)

    def distrust(self, key: tuple[Any, ...]) -> None:
        """Close what is kept for an owner whose endpoint writes what nobody asked for, and keep nothing for a while."""
        for connection in self._pool.distrust(key, time.monotonic()):
            self._close(connection)

    def close_stale(self) -> int:
        """Close the connections that have been idle for too long; return how many."""
        stale = self._pool.stale(time.monotonic())
        for connection in stale:
            self._close(connection)
        return len(stale)

    def close_idle(self) -> None:
        """Close all connections that nobody uses."""
        for connection in self._pool.everything():
            self._close(connection)

    def _reap(self) -> None:
        self.close_stale()
        self._reaping = len(self._pool) > 0
        if self._reaping:
            self._loop.call_at(time.monotonic() + REAP_SECONDS, self._reap)

    def _close(self, connection: Connection) -> None:
        """Close a connection that `ConnectionPool` has let go of.

        libcurl has no call for that. It looks through its idle connections now and then, and gives the descriptors of
        those back that it finds shut down.
        """
        if self._loop.is_ours(connection):
            with Borrowed(connection.fd) as sock, suppress(OSError):  # the endpoint may have been first
                sock.shutdown(socket.SHUT_RDWR)
            self._loop.unwatch(connection.fd)
        waiting, connection.reserved = connection.reserved, None
        self._blank_out(connection)
        if waiting is not None:
            self._moved_on(waiting)

    def _blank_out(self, connection: Connection) -> None:
        exchange = connection.exchange
        if exchange is not None and exchange.connection is connection:
            exchange.connection = None  # it goes on over another
        connection.key = None
        connection.fd = -1
        connection.release()
        is_plain = not connection.is_certified and (exchange is None or exchange.request.method == "POST")
        if is_plain and len(self._spare) < MAX_SPARE:
            self._spare.append(connection)
        else:
            connection.curl.close()


def _says_something(connection: Connection) -> bool:
    """Tell whether what lies on an idle connection is more than its end."""
    with Borrowed(connection.fd) as sock:
        try:
            data = sock.recv(5, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return False
    assert connection.key is not None
    if connection.key[1] != "https" or len(data) < 5:
        return bool(data)
    # A TLS record: an alert (the goodbye) shows its type, or, sealed by TLS 1.3, its length
    return data[0] != _TLS_ALERT and int.from_bytes(data[3:5]) > _TLS13_ALERT_BYTES
