"""What a process of the web service is: a web process, or one that makes pages."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING, Final

from subscriptions.logs import get_logger

if TYPE_CHECKING:
    from webhooks_project.server.family import Family
    from webhooks_project.server.serving import Server

log = get_logger(__name__)

BACKLOG: Final = 2048
"""Connections that the kernel keeps until they are accepted."""
SPARE_FILES: Final = 256
"""File descriptors left for the database, Redis, logs and static files."""
PAGES_NICE: Final = 5
"""How far page processes stand back where publishing wants the same core."""
LINGER: Final = 5.0
"""Seconds that clients keep their connections to a web process whose work others have taken over. Whoever asks once
more is answered, and told that the connection ends: nobody meets one that closes as a request is under way."""
FIRST_INHERITED: Final = 3
"""The descriptor of the first socket that systemd passes on: sd_listen_fds(3)."""
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


def inherited() -> socket.socket | None:
    """Return the listening socket that systemd holds for this process (a socket unit), None where there is none.

    Raises ValueError where it is none of TCP: clients' addresses, which limits go by, come with the connection.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=FIRST_INHERITED)
    if listener.family not in {socket.AF_INET, socket.AF_INET6} or listener.type != socket.SOCK_STREAM:
        raise ValueError("the socket unit's ListenStream is no TCP port. Write ListenStream=127.0.0.1:8000.")
    listener.set_inheritable(False)
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


def serve(
    listener: socket.socket, grace: float, family: Family | None = None, *, pages: str = "", count: int = 1
) -> None:
    """Be one web process until SIGTERM or SIGINT, or until the parent's pipe ends.

    Args:
        listener: Where clients come.
        grace: Seconds that open requests have when asked to stop.
        family: Which it belongs to.
        pages: The Unix socket of the processes that make its pages; by itself, on threads, where none is named.
        count: Web and page processes that there are to be.

    Raises:
        SystemExit: Where so many can't work on this database.
    """
    import uvloop

    uvloop.run(_serve(listener, grace, family, pages, count))


def make_pages(listener: socket.socket, address: tuple[str, int], grace: float, family: Family) -> None:
    """Be one page process, of the web processes at `address`, until the pipe ends: when all of them have."""
    import uvloop

    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a terminal's Ctrl-C, too: pages asked for are still made
    os.nice(PAGES_NICE)
    uvloop.run(_make_pages(listener, address, grace, family))


async def _serve(listener: socket.socket, grace: float, family: Family | None, pages: str, count: int) -> None:
    set_up()
    from webhooks_project import startup, telemetry
    from webhooks_project.server import publishing
    from webhooks_project.server.relay import Relay
    from webhooks_project.server.serving import Server, configured

    startup.name_unknown_variables()
    await asyncio.to_thread(startup.look_at_sizes, count)
    telemetry.set_up("web")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if family is None and not os.isatty(0):  # else its terminal's end is its own
        loop.add_signal_handler(signal.SIGHUP, log.warning, "reload_refused")
    server = Server(listener, configured(), _files() - SPARE_FILES, relay=Relay(pages) if pages else None)
    publishing.register(server)
    await _run(server, stop, grace, family)


async def _make_pages(listener: socket.socket, address: tuple[str, int], grace: float, family: Family) -> None:
    set_up()
    from webhooks_project import telemetry
    from webhooks_project.server.relayed import RelayedConnection
    from webhooks_project.server.serving import Server, configured

    telemetry.set_up("pages")
    server = Server(listener, configured(), _files() - SPARE_FILES, address=address, connection=RelayedConnection)
    await _run(server, asyncio.Event(), grace, family)


def set_up() -> None:
    """Load Django and the settings. Raises what is wrong with them."""
    import django

    django.setup()
    from django.conf import settings

    from webhooks_project.postgresql.base import limit_statements

    limit_statements(settings.WEB_STATEMENT_SECONDS)


def check(count: int) -> None:
    """See whether so many processes can start with the settings. Raises what is wrong with them."""
    set_up()
    from webhooks_project import startup

    startup.look_at_sizes(count, warns=False)


async def _run(server: Server, stop: asyncio.Event, grace: float, family: Family | None) -> None:
    from subscriptions import tallies
    from webhooks_project import telemetry

    loop = asyncio.get_running_loop()
    is_relieved = False

    def relieve() -> None:  # the parent is gone, or has others
        nonlocal is_relieved
        is_relieved = True
        stop.set()

    if family is not None:
        loop.add_reader(family.lifeline, relieve)  # readable at its end only
    await server.start()
    gc.collect()
    gc.freeze()  # what was loaded stays; collections need not look at it
    log.info("web_ready", pid=os.getpid())
    if family is not None:
        family.tell_ready()
    await stop.wait()
    if family is not None:
        loop.remove_reader(family.lifeline)
    await server.stop(grace, linger=LINGER if is_relieved else 0.0)
    await asyncio.to_thread(tallies.bring)
    await asyncio.to_thread(telemetry.flush)
    log.info("web_stopped", pid=os.getpid())


def _files() -> int:
    """Return how many files the process may open, having raised that as far as it is allowed to."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
