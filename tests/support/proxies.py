"""A TCP proxy on loopback that can stop forwarding without closing anything, as a network whose packets are dropped.

What it has accepted it keeps acknowledging, so that no keepalive and no kernel notices: the hardest kind.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Self

from webhooks_project.embedded import free_port


class Proxy:
    """Forwards `port` of `host` to `target` of loopback.

    Attributes:
        silenced: Connections that were open at the last `silence`; they stay open, and nothing passes.
    """

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.port = free_port()
        self._target = target
        self._silent: set[socket.socket] = set()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._takes_new = True
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((host, self.port), backlog=128)
        self._ends = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def silence(self, *, new: bool = True) -> int:
        """Drop what comes on all open connections from now on; return how many. `new`: whether others are taken."""
        with self._lock:
            self._silent |= set(self._pairs)
            self._takes_new = new
            return len(self._silent) // 2

    def lead_to(self, target: int, *, cut: bool = True) -> None:
        """Lead to another server from now on; whoever is connected is cut off, as by an address that moves.

        Not so with `cut=False`: as a proxy in front of two web processes that is told to send new ones to the other.
        """
        with self._lock:
            self._target = target
            for each in self._pairs if cut else ():
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()
            if cut:
                self._pairs.clear()
                self._silent.clear()

    @property
    def unheard(self) -> set[int]:
        """The ports from which the target is spoken to by what was silenced."""
        with self._lock:
            found = set()
            for each in self._silent & set(self._pairs):
                with contextlib.suppress(OSError):
                    found.add(each.getsockname()[1])
            return found - {self.port}

    def heal(self) -> None:
        """Take new connections; those that were silenced stay so."""
        with self._lock:
            self._takes_new = True

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()
        for each in (*self._pairs, self._listener):
            each.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ends:
            for key, _events in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._forward(key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        here, _ = self._listener.accept()
        with self._lock:
            try:
                there = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                here.close()
                return
            self._pairs |= {here: there, there: here}
            if not self._takes_new:
                self._silent |= {here, there}
            for each in (here, there):
                self._selector.register(each, selectors.EVENT_READ)

    def _forward(self, here: socket.socket) -> None:
        with self._lock:
            there = self._pairs.get(here)
            if there is None:
                return
            try:
                data = here.recv(65536)
                if data and here in self._silent:
                    return
                if data:
                    there.sendall(data)
                    return
            except OSError:
                data = b""
            gone = (here,) if here in self._silent else (here, there)
            for each in gone:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()
                self._pairs.pop(each, None)
                self._silent.discard(each)
