"""How fast events are accepted: `POST events` singly and in batches of 100, beside a bare Django view in the same run.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.ingest [--runs 3] [--seconds 5]

Two web processes, PostgreSQL, one matching webhook, no worker: what is measured is the door.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

from bench import rig
from subscriptions import services
from webhooks_project.embedded import free_port

CLIENTS = 8
BATCH = 100


@contextlib.contextmanager
def server(module: str) -> Iterator[int]:
    """Run the web process as the Procfile does; yields the port."""
    port = free_port()
    with rig.process("-m", module, "--port", str(port), "--processes", "2"):
        rig.wait_for(lambda: _answers(port), 30)
        yield port


def rate(port: int, path: str, body: bytes, token: str, each: int, seconds: float) -> float:
    """Return events a second over CLIENTS keep-alive connections."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    done = [0] * CLIENTS
    stop_at = time.monotonic() + seconds

    def work(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.monotonic() < stop_at:
                connection.sendall(request)
                _read_created(connection)
                done[number] += each

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - started)


def _read_created(connection: socket.socket) -> None:
    """Read one answer whole. Raises RuntimeError unless it is 201."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    if b" 201 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(head.decode() + rest.decode())
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += _received(connection)


def _received(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise RuntimeError("the server closed the connection")
    return chunk


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    rig.prepare()
    [merchant] = rig.webhooks(1, "http://127.0.0.1:9")
    token = services.create_api_key(merchant=merchant).text
    event = {"event": rig.EVENT, "data": rig.DATA}
    single, batch = json.dumps(event).encode(), json.dumps({"events": [event] * BATCH}).encode()
    shapes = {
        "single": ("/api/v1/events", single, 1),
        f"batches of {BATCH}": ("/api/v1/events/batch", batch, BATCH),
    }
    for name, (path, body, each) in shapes.items():
        ours, bare = [], []
        for _ in range(options.runs):
            with server("webhooks_project.server") as port:
                rate(port, path, body, token, each, 1.0)
                ours.append(rate(port, path, body, token, each, options.seconds))
            with server("bench.bare") as port:
                rate(port, "/api/ingest", body, token, each, 1.0)
                bare.append(rate(port, "/api/ingest", body, token, each, options.seconds))
            print(f"{name}: ours {ours[-1]:,.0f}/s, bare view {bare[-1]:,.0f}/s", flush=True)
        ratio = rig.median(ours) / rig.median(bare)
        print(f"{name}: median {rig.median(ours):,.0f} against {rig.median(bare):,.0f} events/s: {ratio:.2f} times")


if __name__ == "__main__":
    main()
