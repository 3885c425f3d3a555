"""What a request costs at the least: the CPU of one POST by http.client, by pycurl, by our transport, side by side.

    python -m tests.support.services --postgres --valkey -- python -m bench.floor [--runs 5] [--requests 3000]

The first is the yardstick H of docs/performance.md. All go over one kept connection (our transport: 16 side by side),
to a receiver in another process.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import threading
import time
import urllib.parse
from collections.abc import Callable

import pycurl

from bench import rig
from deliveries.sending.process_transport import transport
from deliveries.transport import Request

BODY = b'{"type":"order.created","data":{"order":{"note":"' + b"x" * 420 + b'"}}}'
HEADERS = {
    "Content-Type": "application/json",
    "webhook-id": "evt_01M804KD5GGWSRG31PH8EENEE5",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
}
SIDE_BY_SIDE = 16


def by_http_client(base: str, count: int) -> None:
    """Post one after the other over one connection of the standard library."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc)
    for _ in range(count):
        connection.request("POST", "/ok/1", BODY, HEADERS)
        connection.getresponse().read()
    connection.close()


def by_pycurl(base: str, count: int) -> None:
    """Post one after the other by one easy handle of libcurl."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, f"{base}/ok/1")
    handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
    handle.setopt(pycurl.POSTFIELDS, BODY)
    handle.setopt(pycurl.WRITEFUNCTION, lambda _data: None)
    for _ in range(count):
        handle.perform()
    handle.close()


def by_transport(base: str, count: int) -> None:
    """Post by the deliveries' own transport: guard, deadlines, caps on the answer, a webhook's own connections."""
    places, done = itertools.count(SIDE_BY_SIDE), threading.Event()
    finished = itertools.count(1)

    def send(place: int) -> None:
        request = Request(f"{base}/ok/1", list(HEADERS.items()), BODY, 5.0, 10.0, connection_owner=place % 4 + 1)
        transport().submit(request, answered)

    def answered(_outcome: object) -> None:
        if (place := next(places)) < count:
            send(place)
        if next(finished) == count:
            done.set()

    for place in range(min(SIDE_BY_SIDE, count)):
        send(place)
    done.wait()


WAYS: dict[str, Callable[[str, int], None]] = {
    "http.client": by_http_client,
    "pycurl": by_pycurl,
    "transport": by_transport,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000)
    options = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    with rig.receiver() as base:
        for run, (name, way) in itertools.product(range(options.runs + 1), WAYS.items()):
            began = time.process_time()
            way(base, options.requests)
            if run:  # the first warms up
                found[name].append((time.process_time() - began) / options.requests * 1e6)
    medians = {name: rig.median(values) for name, values in found.items()}
    for name, micros in medians.items():
        print(f"{name}: {micros:.0f} µs of CPU a request, {micros / medians['http.client']:.2f} H")
    rig.report("floor", {name: round(micros) for name, micros in medians.items()})


if __name__ == "__main__":
    main()
