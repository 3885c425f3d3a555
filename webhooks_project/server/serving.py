"""One web process: connections, their deadlines, who answers, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from django.conf import settings

from webhooks_project.request_ids import accepted
from webhooks_project.server import answer_meters, messages, routes
from webhooks_project.server.clients import Clients
from webhooks_project.server.connection import Connection
from webhooks_project.server.leaving import HALF_CLOSED_SECONDS, Leaving
from webhooks_project.server.messages import Answer, Later, Parked, Request
from webhooks_project.server.pages import Pages
from webhooks_project.server.reading import BODY_READ_MAX, State
from webhooks_project.server.relay import Relay
from webhooks_project.server.rounds import Rounds
from webhooks_project.server.threads import Threads
from webhooks_project.server.unsent import Unsent
from webhooks_project.server.waiting import WaitingRoom

access = structlog.get_logger("webhooks_project.access")

SWEEP: Final = 0.25
"""Seconds between two looks at the deadlines: how much later than its deadline a client is told."""
BACKLOG_MAX: Final = 512
"""Requests that may wait for a thread; more are told to come again."""
BACKLOG_OF_CLIENT_MAX: Final = 128
"""Of one client."""
PATH_SHOWN: Final = 200
"""Characters of a path that a log line shows."""
PATIENCE: Final = 2.0
"""Seconds that a client has for the rest of its request once the server stops."""

READING: Final = frozenset({"GET", "HEAD"})
"""Methods that change nothing: what they ask the database ends with the client's patience."""

Direct = Callable[[Request], bool]
"""Answers a request on the loop; False leaves it to Django."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes; see webhooks_project.settings.web."""

    head: float
    body: float
    write: float
    idle: float
    bodies: int

    def of(self, state: State) -> float:
        """Return the seconds for what is being read."""
        return self.idle if state is State.IDLE else self.head if state is State.HEAD else self.body


def configured() -> Limits:
    """Return the limits of the settings."""
    return Limits(
        head=settings.WEB_HEAD_SECONDS,
        body=settings.WEB_BODY_SECONDS,
        write=settings.WEB_WRITE_SECONDS,
        idle=settings.WEB_IDLE_SECONDS,
        bodies=settings.WEB_BODIES_MAX,
    )


class Server:
    """Serves one listening socket on the running loop.

    Args:
        listener: Where clients come.
        limits: See Limits.
        connections_max: Clients at a time.
        address: What pages take for this server's address; the listener's, unless given.
        connection: Makes what reads a client's requests.
        relay: Has pages made in other processes; they are made here, on threads, unless given.

    Attributes:
        held: Bytes of all bodies in memory.
        unsent: What waits for clients to take it.
        clients: Who asks, as answers have shown.
        rounds: Connections whose next request has come already.
        buffer: Where the kernel puts what a client sends, until its connection takes it in the same moment.
        direct: (method, path) → what answers it on the loop.
        at_the_end: Called with the seconds they may take, when all is answered.
    """

    def __init__(
        self,
        listener: socket.socket,
        limits: Limits,
        connections_max: int,
        *,
        address: tuple[str, int] | None = None,
        connection: Callable[[Server], Connection] = Connection,
        relay: Relay | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.limits = limits
        self.held = 0
        self.is_stopping = False
        self.direct: dict[tuple[str, str], Direct] = {}
        self.body_limit = routes.body_limit
        self._listener = listener
        self._most = connections_max
        self._connections: set[Connection] = set()
        self.clients = Clients()
        self.unsent = Unsent(self._connections)
        self.rounds = Rounds(self.loop)
        self.buffer = memoryview(bytearray(BODY_READ_MAX))
        self._all_gone = asyncio.Event()
        self.at_the_end: list[Callable[[float], None]] = []
        self.address: tuple[str, int] = address or listener.getsockname()[:2]
        self._connection = connection
        self._relay = relay
        self._pages = Pages(*self.address)
        self.leaving = Leaving()
        self.waiting = WaitingRoom(self)
        self._threads = Threads("web", settings.WEB_THREADS)
        self._probes = {prefix: Threads(f"web-{prefix.strip('/')}", 1) for prefix in routes.PROBES}

    async def start(self) -> None:
        """Accept connections."""
        is_local = self._listener.family == socket.AF_UNIX
        create = self.loop.create_unix_server if is_local else self.loop.create_server
        self._server = await create(lambda: self._connection(self), sock=self._listener)
        self._sweep = self.loop.call_later(SWEEP, self._look_at_deadlines)

    async def stop(self, grace: float, *, linger: float = 0.0) -> None:
        """Accept nothing more, close idle connections, answer what is open; after `grace` seconds, end all the same.

        `linger`: seconds before, in which clients may ask once more on the connections that they have.
        """
        self.is_stopping = True
        self._server.close()
        await asyncio.sleep(0)  # what was accepted already is read
        self.waiting.end_all()
        await self._emptied(linger)
        for connection in list(self._connections):
            connection.stop(PATIENCE)
        await self._emptied(grace)
        for connection in list(self._connections):
            connection.transport.abort()
        self._sweep.cancel()
        for end in (*self.at_the_end, self.waiting.stop, self._threads.stop):
            await asyncio.to_thread(end, PATIENCE)

    async def _emptied(self, seconds: float) -> None:
        """Wait until all clients have gone, for so long at most."""
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), seconds)

    # --- for connections ----------------------------------------------------------------------------------------------

    def welcome(self, connection: Connection) -> None:
        """Count a connection; one too many is closed."""
        self._connections.add(connection)
        if len(self._connections) > self._most:
            connection.transport.abort()

    def farewell(self, connection: Connection) -> None:
        """Forget a connection, and end what is still being read for it."""
        self.leaving.has_left(connection)
        self.waiting.forget(connection)
        if self._relay is not None:
            self._relay.forget(connection)
        self._connections.discard(connection)
        if self.is_stopping and not self._connections:
            self._all_gone.set()

    def has_ended(self, connection: Connection) -> None:
        """Note that a client sends no more: most of them have left, so what is read for it ends soon."""
        if self.waiting.end(connection):
            return
        if self._relay is not None and (asking := self._relay.of(connection)) is not None:
            asking.half_close()
        else:
            self.loop.call_later(HALF_CLOSED_SECONDS, self.leaving.has_left, connection)

    def handle(self, request: Request) -> None:
        """Have a request answered, later, by whoever it is for."""
        request.request_id = request.headers["x-request-id"] = accepted(request.headers.get("x-request-id"))
        direct = self.direct.get((request.method, request.path))
        if direct is None or not direct(request):
            self.hand_to_django(request)

    def hand_to_django(self, request: Request) -> None:
        """Have Django answer, in a page process where there are some, else on a thread."""
        request.whose = request.whose or self.clients.of(request)
        threads = self._threads
        for prefix, own in self._probes.items():
            if request.path.startswith(prefix):
                threads = own
        if self._relay is not None and threads is self._threads:
            self._relay.ask(request)
        elif threads.backlog_of(request.whose) >= BACKLOG_OF_CLIENT_MAX:
            self.loop.call_soon(request.asker.answer, request, messages.too_many())
        elif threads.backlog >= BACKLOG_MAX:
            self.loop.call_soon(request.asker.answer, request, messages.busy())
        else:
            threads.run(partial(self._answer_by_django, request), request.whose)

    def run(self, job: Callable[[], None], request: Request) -> None:
        """Have what belongs to a request's answer run on the threads of pages."""
        self._threads.run(job, request.whose)

    def tell(self, receiver: Callable[..., None], *arguments: Any) -> None:
        """Call `receiver` on the loop's thread; for other threads."""
        self.loop.call_soon_threadsafe(receiver, *arguments)

    def log(self, request: Request | None, answer: Answer, request_id: str = "") -> None:
        """Count an answer, and write the access log's line where one is wanted."""
        answer_meters.count(request, answer, self.now())
        if settings.WEB_ACCESS_LOG:
            access.info(
                "request",
                method=request.method if request else None,
                path=request.path[:PATH_SHOWN] if request else None,  # no query: it may hold what is nobody's business
                status=answer.status,
                bytes=None if answer.more else len(answer.body),
                ms=round((self.now() - request.began) * 1000, 1) if request else None,
                client=request.client if request else None,
                request_id=request.request_id if request else request_id,
            )

    def _answer_by_django(self, request: Request) -> None:
        if not request.asker.is_closed:  # who has left while waiting gets nothing done
            reading = request.method in READING
            with self.leaving.reading_for(request.asker) if reading else contextlib.nullcontext():
                answer = self._pages.respond(request)
            self.clients.note(request, request.owner)
            if isinstance(answer, Later):
                finish = partial(self._answer_later, request, answer)
                answer.ready.add_done_callback(lambda _ready: self.run(finish, request))
            elif isinstance(answer, Parked):
                self.tell(request.asker.park, request, answer)
            else:
                self.tell(request.asker.answer, request, answer)

    def _answer_later(self, request: Request, answer: Later) -> None:
        self.tell(request.asker.answer, request, answer.make())

    def _look_at_deadlines(self) -> None:
        now = self.now()
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.expire()
        self._sweep = self.loop.call_later(SWEEP, self._look_at_deadlines)
