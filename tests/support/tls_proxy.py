"""TLS in front of a server of loopback that speaks none, as stunnel or a hosted server gives it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import Self


class TlsProxy:
    """Takes TLS at `port`, with the certificate of `context`, and forwards to `target`; a thread a connection."""

    def __init__(self, target: int, context: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        self._target, self._context = target, context
        self._listener = socket.create_server((host, 0))
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ends.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                thread = threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(5)
        with (
            raw,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._target)) as there,
            self._context.wrap_socket(raw, server_side=True) as here,
        ):
            while not self._ends.is_set():
                ready = [here] if here.pending() else select.select([here, there], [], [], 0.05)[0]
                for side, other in ((here, there), (there, here)):
                    if side in ready:
                        data = side.recv(65536)
                        if not data:
                            return
                        other.sendall(data)
