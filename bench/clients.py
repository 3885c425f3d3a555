"""Clients that publish over REST: keep-alive connections of bare sockets, which cost the machine little."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

from bench import rig
from webhooks_project.embedded import free_port

SINGLE, BATCH = "/api/v1/events", "/api/v1/events/batch"


@contextlib.contextmanager
def server(module: str = "webhooks_project.server", *, processes: int = 1, pages: int = 2) -> Iterator[int]:
    """Run the web process and page processes, as many as the Procfile does unless told; yields the port."""
    port = free_port()
    options = ["--port", str(port), "--processes", str(processes)]
    if module == "webhooks_project.server":
        options += ["--pages", str(pages)]
    with rig.process("-m", module, *options):
        rig.wait_for(lambda: rig.listens(port), 30)
        yield port


def request(path: str, body: bytes, token: str) -> bytes:
    """Return a POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection. Raises RuntimeError for an answer that isn't 201, and when the server closes it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, request: bytes) -> None:
        """Send a request and read its answer whole."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, rest = data.partition(b"\r\n\r\n")
        if b" 201 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode() + rest.decode())
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(rest) < length:
            rest += self._received()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _received(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        return chunk


def side_by_side(port: int, clients: int, work: Callable[[Client, int], None]) -> float:
    """Run `work(client, number)` on a thread and a connection each; return the seconds until all were done.

    Raises RuntimeError when one of them failed.
    """
    failures: list[Exception] = []

    def run(number: int) -> None:
        client = Client(port)
        try:
            work(client, number)
        except (OSError, RuntimeError) as error:
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} of {clients} clients failed; the first: {failures[0]}")
    return time.monotonic() - started
