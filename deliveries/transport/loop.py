"""The thread that carries every request of a process: libcurl's multi interface on epoll, timers, and an inbox."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pycurl

if TYPE_CHECKING:
    from .connection import Connection

log = logging.getLogger(__name__)

EVENTS_AT_ONCE = 256
FLOOD_WAKES = 16
"""A connection that woke so often is asked how much came over it: nothing hides from that."""
_MANY_CONNECTIONS = 1_000_000  # libcurl closes none on its own account: `ConnectionPool` decides

_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT
_MASKS = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}


class Loop:
    """Runs transfers and calls back. All but `post`, `start` and `stop` belong to its own thread.

    Args:
        ended: Called with a connection, libcurl's code (0: all went well) and message when its transfer is over.
        flooded: Called with a busy connection over which more came than an answer may take.
        round_over: Called once a round, after libcurl was given what is new.

    Attributes:
        stirred: Called with an idle connection that has something to read.
        closing: Called once before the end.
        open: How many transfers are under way.
        pid: The process whose thread this is.
    """

    def __init__(
        self,
        *,
        ended: Callable[[Connection, int, str], None],
        flooded: Callable[[Connection], None],
        round_over: Callable[[], None],
    ) -> None:
        self._ended, self._flooded, self._round_over = ended, flooded, round_over
        self.stirred: Callable[[Connection], None]
        self.closing: Callable[[], None]
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _MANY_CONNECTIONS)
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Not closed by the thread: whoever rings at its very end would ring at a number that is another file's by then.
        weakref.finalize(self, os.close, self._bell).atexit = False
        self._epoll.register(self._bell, _READ)
        self._inbox: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._asleep = False
        self._timers: list[list[Any]] = []
        self._serial = itertools.count()
        self._curl_at: float | None = None
        self._sockets: dict[int, Connection] = {}
        self._masks: dict[int, int] = {}
        self._stopping = False
        self.open = 0
        self.pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="transport", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, call: Callable[..., Any], *args: Any) -> None:
        """Have the thread call this soon. Safe on any thread."""
        self._inbox.append((call, args))
        if self._asleep:  # set before it last looks into the inbox, so one of the two sees the other
            self._asleep = False  # one bell wakes it for all that follows
            os.eventfd_write(self._bell, 1)

    @property
    def waiting(self) -> int:
        """How many calls it has still to make."""
        return len(self._inbox)

    def stop(self) -> None:
        """End the thread when nothing is open any more. Safe on any thread."""
        self.post(setattr, self, "_stopping", True)

    def call_at(self, when: float, call: Callable[..., Any], *args: Any) -> list[Any]:
        """Call this at a `time.monotonic`; return what `cancel` takes."""
        timer = [when, next(self._serial), call, args]
        heapq.heappush(self._timers, timer)
        return timer

    @staticmethod
    def cancel(timer: list[Any] | None) -> None:
        """Forget a timer, and what it holds."""
        if timer is not None:
            timer[2] = timer[3] = None

    def launch(self, connection: Connection) -> None:
        """Give a loaded connection to libcurl."""
        self.open += 1
        connection.launched = True
        connection.curl.connection = connection  # type: ignore[attr-defined]
        self._multi.add_handle(connection.curl)

    def withdraw(self, connection: Connection) -> None:
        """Take a connection back; libcurl closes one that is in the middle of a transfer."""
        if connection.launched:
            connection.launched = False
            self.open -= 1
            self._multi.remove_handle(connection.curl)

    def new_socket(self, fd: int, connection: Connection) -> None:
        """Learn of a socket just opened; what is known of a former one of that number is void."""
        self._sockets[fd] = connection
        self._masks.pop(fd, None)

    def watch_idle(self, connection: Connection) -> bool:
        """Watch an idle connection's socket; False when libcurl has closed it.

        libcurl tells nobody what it closes. But a closed descriptor is out of the epoll set. One of libcurl's that got
        its number since is known to be another's, and any other file of that number is not in the set, so asking the
        kernel to change the entry tells whether the socket is still there.
        """
        fd = connection.fd
        if self._sockets.get(fd) is not connection:
            return False
        try:
            self._epoll.modify(fd, _READ)
        except OSError:
            return False
        self._masks[fd] = _READ
        return True

    is_ours = watch_idle

    def unwatch(self, fd: int) -> None:
        """Stop watching a socket that is about to be closed."""
        self._epoll.unregister(fd)
        self._masks.pop(fd, None)
        self._sockets.pop(fd, None)

    def _on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        connection = self._sockets.get(fd)
        if connection is None or what == pycurl.POLL_REMOVE:  # libcurl's own wake-up; or idle, or closed: see above
            return
        mask = _MASKS.get(what, 0)
        if self._masks.get(fd) != mask:
            try:
                self._epoll.modify(fd, mask)
            except FileNotFoundError:
                self._epoll.register(fd, mask)
            self._masks[fd] = mask
        if mask == _READ and connection.fd == fd:  # the request has left
            connection.acknowledge_quickly()

    def _on_timer(self, milliseconds: int) -> None:
        self._curl_at = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _run(self) -> None:
        while not (self._stopping and not self.open and not self._inbox):
            try:
                self._round()
            except Exception:  # one exchange's fault would stop the thread of them all; deadlines end what it left open
                log.exception("transport: a round failed")
        self.closing()
        self._multi.close()
        self._epoll.close()

    def _round(self) -> None:
        self._asleep = True
        events = self._epoll.poll(0 if self._inbox else self._patience(), EVENTS_AT_ONCE)
        self._asleep = False
        for fd, event in events:
            self._handle(fd, event)
        self._take_inbox()
        self._run_timers()
        if self._curl_at is not None and self._curl_at <= time.monotonic():
            self._curl_at = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._round_over()
        self._collect()

    def _patience(self) -> float | None:
        """Return how many seconds to wait for events at most; None when nothing is planned."""
        timers = self._timers
        while timers and timers[0][2] is None:
            heapq.heappop(timers)
        due = min(self._curl_at or float("inf"), timers[0][0] if timers else float("inf"))
        return None if due == float("inf") else max(0.0, due - time.monotonic())

    def _handle(self, fd: int, event: int) -> None:
        connection = self._sockets.get(fd)
        if connection is None:
            if fd == self._bell:
                os.eventfd_read(fd)
            return
        if connection.fd == fd:  # else libcurl is taking leave of a connection that is none any more
            if connection.exchange is None:
                self.stirred(connection)
                return
            connection.wakes += 1
            if connection.wakes % FLOOD_WAKES == 0 and connection.overflows():
                self._flooded(connection)
                return
        action = (pycurl.CSELECT_IN if event & _READ else 0) | (pycurl.CSELECT_OUT if event & _WRITE else 0)
        self._multi.socket_action(fd, action or pycurl.CSELECT_ERR)

    def _take_inbox(self) -> None:
        for _ in range(len(self._inbox)):
            call, args = self._inbox.popleft()
            call(*args)

    def _run_timers(self) -> None:
        timers = self._timers
        if not timers:
            return
        now = time.monotonic()
        while timers and timers[0][0] <= now:
            _when, _serial, call, args = heapq.heappop(timers)
            if call is not None:
                call(*args)

    def _collect(self) -> None:
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            for curl in good:
                self._ended(curl.connection, 0, "")  # type: ignore[attr-defined]
            for curl, code, message in bad:
                self._ended(curl.connection, code, message)  # type: ignore[attr-defined]
