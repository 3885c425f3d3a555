"""The web process' server inside the test: on a thread and a loop of its own, with answers that the test chooses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.processes import listen, listen_for_pages
from webhooks_project.server.relay import Relay
from webhooks_project.server.relayed import RelayedConnection
from webhooks_project.server.serving import Server, configured


@dataclass
class Running:
    """A server that runs. `loop` is its loop, `server.direct` where tests register answers.

    `pages` makes what `server` relays, and holds what clients don't take of it; the same where nothing is relayed.
    """

    port: int
    server: Server
    pages: Server
    loop: asyncio.AbstractEventLoop

    def on(self, method: str, path: str, answer: Callable[[Request], Answer | None]) -> None:
        """Answer requests for `path` on the loop; None leaves the answer to the test (`request.asker.answer`)."""

        def direct(request: Request) -> bool:
            made = answer(request)
            if made is not None:
                self.loop.call_soon(request.asker.answer, request, made)
            return True

        self.server.direct[(method, path)] = direct

    def later(self, seconds: float, request: Request, answer: Answer) -> None:
        """Answer in some time."""
        self.loop.call_later(seconds, request.asker.answer, request, answer)

    def stop(self, grace: float = 10.0) -> float:
        """Stop the server and return the seconds that took."""
        began = time.monotonic()
        asyncio.run_coroutine_threadsafe(self.server.stop(grace), self.loop).result(grace + 10)
        return time.monotonic() - began


@contextlib.contextmanager
def running(*, connections_max: int = 10_000, relayed: bool | str = False, **limits: Any) -> Iterator[Running]:
    """Run a server on loopback; `limits` replace the settings'. `relayed`: pages come over a socket, of that path."""
    folder = tempfile.TemporaryDirectory()
    listener = listen("127.0.0.1", 0)
    made: list[Running] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        given = replace(configured(), **limits)
        relay, makers = None, []
        if isinstance(relayed, str):
            relay = Relay(relayed)
        elif relayed:
            inner, path = listen_for_pages(folder.name)
            address = listener.getsockname()[:2]
            makers.append(Server(inner, given, connections_max, address=address, connection=RelayedConnection))
            await makers[0].start()
            relay = Relay(path)
        server = Server(listener, given, connections_max, relay=relay)
        await server.start()
        made.append(Running(listener.getsockname()[1], server, (*makers, server)[0], asyncio.get_running_loop()))
        ready.set()
        await asyncio.to_thread(over.wait)
        for each in (server, *makers):
            if not each.is_stopping:
                await each.stop(0.5)

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield made[0]
    finally:
        over.set()
        thread.join(20)
        folder.cleanup()


class Wire:
    """A client that sends what it is told to, and reads what comes."""

    def __init__(self, port: int, timeout: float = 10.0, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))

    def send(self, data: bytes) -> Wire:
        self.socket.sendall(data)
        return self

    def read(self, most: int = 65536) -> bytes:
        return self.socket.recv(most)

    def until(self, mark: bytes) -> bytes:
        """Read until `mark` has come, or the end."""
        data = b""
        while mark not in data and (part := self.read()):
            data += part
        return data

    def rest(self) -> bytes:
        """Read to the end."""
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while part := self.read():
                data += part
        return data

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(web: Running, data: bytes) -> bytes:
    """Send bytes on a connection of their own, and return what comes until its end."""
    with Wire(web.port) as wire:
        return wire.send(data).rest()


def error(answer: bytes) -> dict[str, Any]:
    """Return an answer's only error, having checked that it has the API's shape."""
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert set(body) == {"type", "errors"}
    [only] = body["errors"]
    assert set(only) == {"code", "detail", "attr"}
    found: dict[str, Any] = only
    return found
