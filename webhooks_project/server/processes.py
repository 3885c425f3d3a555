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
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from subscriptions.logs import get_logger

if TYPE_CHECKING:
    from webhooks_project.server.serving import Server

log = get_logger(__name__)

BACKLOG: Final = 2048
"""Connections that the kernel keeps until they are accepted."""
SPARE_FILES: Final = 256
"""File descriptors left for the database, Redis, logs and static files."""
RESTART_PAUSE: Final = 1.0
"""Seconds between two starts of processes that died, so that a fault doesn't burn the machine."""
PAGES_NICE: Final = 5
"""How far page processes stand back where publishing wants the same core."""
WEB, PAGES = "web", "pages"
"""Kinds of processes."""
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


def listen_for_pages(folder: str) -> tuple[socket.socket, str]:
    """Return the Unix socket that page processes listen on, and its path, in a folder that is nobody else's."""
    path = os.path.join(folder, "pages")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener, path


def serve(listener: socket.socket, grace: float, parent: int | None = None, *, pages: str = "") -> None:
    """Be one web process until SIGTERM or SIGINT, or until the pipe `parent` ends.

    Its pages are made by the processes at the Unix socket `pages`; by itself, on threads, where none is named.
    """
    import uvloop

    uvloop.run(_serve(listener, grace, parent, pages))


def make_pages(listener: socket.socket, address: tuple[str, int], grace: float, parent: int) -> None:
    """Be one page process, of the web processes at `address`, until the pipe `parent` ends: when all of them have."""
    import uvloop

    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a terminal's Ctrl-C, too: pages asked for are still made
    os.nice(PAGES_NICE)
    uvloop.run(_make_pages(listener, address, grace, parent))


async def _serve(listener: socket.socket, grace: float, parent: int | None, pages: str) -> None:
    _set_up()
    from webhooks_project.server import publishing
    from webhooks_project.server.relay import Relay
    from webhooks_project.server.serving import Server, configured

    stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(listener, configured(), _files() - SPARE_FILES, relay=Relay(pages) if pages else None)
    publishing.register(server)
    await _run(server, stop, grace, parent)


async def _make_pages(listener: socket.socket, address: tuple[str, int], grace: float, parent: int) -> None:
    _set_up()
    from webhooks_project.server.relayed import RelayedConnection
    from webhooks_project.server.serving import Server, configured

    server = Server(listener, configured(), _files() - SPARE_FILES, address=address, connection=RelayedConnection)
    await _run(server, asyncio.Event(), grace, parent)


def _set_up() -> None:
    import django

    django.setup()
    from django.conf import settings

    from webhooks_project.postgresql.base import limit_statements

    limit_statements(settings.WEB_STATEMENT_SECONDS)


async def _run(server: Server, stop: asyncio.Event, grace: float, parent: int | None) -> None:
    loop = asyncio.get_running_loop()
    if parent is not None:
        loop.add_reader(parent, stop.set)  # readable at its end only: who held the other end is gone
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
    """Keeps children serving: `web` ones, and as many `pages` ones. They end with it, however it ends.

    Each holds the end of a pipe: web processes that of the parent's, page processes that of the parent's and of all
    web processes, so that they outlive these.

    Args:
        counts: How many children of each kind.
        run: Is the child of a kind, given the pipe's end to read. Returns when it is over.
    """

    def __init__(self, counts: Mapping[str, int], run: Callable[[str, int], None]) -> None:
        self._counts = counts
        self._serve = run
        self._children: dict[int, str] = {}
        self._is_stopping = False
        self._told = 0
        self._writes_to_pages = True

    def run(self) -> int:
        """Serve until told to stop. Returns the exit code: not 0 where children died as they started."""
        self._pipes = {WEB: os.pipe(), PAGES: os.pipe()}
        for number in SIGNALS:
            signal.signal(number, self._stop)
        began = time.monotonic()
        self._fill()
        while self._children:
            pid, status = os.wait()
            self._children.pop(pid, None)
            if self._is_stopping:
                self._let_pages_end()
                continue
            code = os.waitstatus_to_exitcode(status)
            log.error("web_process_died", pid=pid, code=code)
            if time.monotonic() - began < RESTART_PAUSE * sum(self._counts.values()) and code > 0:
                self._stop(signal.SIGTERM, None)  # it never worked: wrong settings, mostly
                self._let_pages_end()
                self._told = code
                continue
            time.sleep(RESTART_PAUSE)
            self._fill()
        return self._told

    def _fill(self) -> None:
        for kind, count in self._counts.items():
            while list(self._children.values()).count(kind) < count and not self._is_stopping:
                pid = os.fork()
                if pid == 0:
                    self._be(kind)
                self._children[pid] = kind

    def _be(self, kind: str) -> NoReturn:
        code = 1
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.close(self._pipes[WEB][1])
            if kind == PAGES:
                os.close(self._pipes[PAGES][1])
            self._serve(kind, self._pipes[kind][0])
            code = 0
        except BaseException:  # noqa: BLE001 - shown, then the process ends: none of the parent's code may run on
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopping = True
        for pid, kind in self._children.items():
            if kind == WEB:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def _let_pages_end(self) -> None:
        """Let go of the page processes' pipe: its end comes once the last web process has gone, too."""
        if self._writes_to_pages:
            self._writes_to_pages = False
            os.close(self._pipes[PAGES][1])
