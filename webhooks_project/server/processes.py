"""As many web processes as asked for, on one listening socket, under a parent that starts them anew when they die."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

BACKLOG: Final = 2048
"""Connections that the kernel keeps until they are accepted."""
SPARE_FILES: Final = 256
"""File descriptors left for the database, Redis, logs and static files."""
RESTART_PAUSE: Final = 1.0
"""Seconds between two starts of processes that died, so that a fault doesn't burn the machine."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def listen(host: str, port: int) -> socket.socket:
    """Return the listening socket. Raises OSError where the address is taken or isn't ours."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(address)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def serve(listener: socket.socket, grace: float, parent: int | None = None) -> None:
    """Be one web process until SIGTERM or SIGINT, or until the pipe `parent` ends."""
    import uvloop

    uvloop.run(_serve(listener, grace, parent))


async def _serve(listener: socket.socket, grace: float, parent: int | None) -> None:
    import django

    django.setup()
    from django.conf import settings

    from webhooks_project.postgresql.base import limit_statements
    from webhooks_project.server import publishing
    from webhooks_project.server.serving import Server, configured

    limit_statements(settings.WEB_STATEMENT_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if parent is not None:
        loop.add_reader(parent, stop.set)  # readable at its end only: the parent is gone
    server = Server(listener, configured(), _files() - SPARE_FILES)
    publishing.register(server)
    await server.start()
    gc.collect()
    gc.freeze()  # what was loaded stays; collections need not look at it
    log.info("web_ready", pid=os.getpid())
    await stop.wait()
    if parent is not None:
        loop.remove_reader(parent)
    await server.stop(grace)
    log.info("web_stopped", pid=os.getpid())


def _files() -> int:
    """Return how many files the process may open, having raised that as far as it is allowed to."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Parent:
    """Keeps `count` children serving. They end with it, however it ends: they hold a pipe's other end."""

    def __init__(self, count: int, grace: float, child: Callable[[int], None]) -> None:
        self._count = count
        self._grace = grace
        self._child = child
        self._children: set[int] = set()
        self._is_stopping = False
        self._told = 0

    def run(self) -> int:
        """Serve until told to stop. Returns the exit code: not 0 where children died as they started."""
        self._readable, self._writable = os.pipe()
        for number in SIGNALS:
            signal.signal(number, self._stop)
        began = time.monotonic()
        self._fill()
        while self._children:
            pid, status = os.wait()
            self._children.discard(pid)
            if self._is_stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            log.error("web_process_died", pid=pid, code=code)
            if time.monotonic() - began < RESTART_PAUSE * self._count and code > 0:
                self._stop(signal.SIGTERM, None)  # it never worked: wrong settings, mostly
                self._told = code
                continue
            time.sleep(RESTART_PAUSE)
            self._fill()
        return self._told

    def _fill(self) -> None:
        while len(self._children) < self._count and not self._is_stopping:
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    for number in SIGNALS:
                        signal.signal(number, signal.SIG_DFL)
                    os.close(self._writable)
                    self._child(self._readable)
                    code = 0
                except BaseException:  # noqa: BLE001 - shown, then the process ends: none of the parent's code may run on
                    sys.excepthook(*sys.exc_info())
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            self._children.add(pid)

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopping = True
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
