"""What an event takes of the servers: statements, commits, WAL, Redis commands, and the CPU of every process.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.statements [--runs 3] [--web 1]

Published over REST and delivered meanwhile by one worker process, from the request to the record: single events by 16
clients and by one, and batches of 100.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass
from typing import Any

from bench import clients, costs, rig
from deliveries.models import Delivery
from subscriptions import services

WEBHOOKS = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """How events are published."""

    name: str
    clients: int
    batch: int
    share: float
    """Of the events asked for: lone ones take long."""


SHAPES = (Shape("16 clients", 16, 1, 1.0), Shape("1 client", 1, 1, 0.25), Shape("batches of 100", 4, 100, 2.0))


def run(port: int, tokens: list[str], shape: Shape, events: int) -> dict[str, Any]:
    """Publish and wait for the records; return what an event took, and the events a second from first to last."""
    event = {"event": rig.EVENT, "data": rig.DATA}
    path, text = (clients.SINGLE, event) if shape.batch == 1 else (clients.BATCH, {"events": [event] * shape.batch})
    requests = [clients.request(path, json.dumps(text).encode(), token) for token in tokens]
    total = int(events * shape.share) // shape.batch
    places = itertools.count()

    def work(client: clients.Client, _number: int) -> None:
        while (place := next(places)) < total:
            client.post(requests[place % len(requests)])

    delivered = Delivery.objects.filter(status=Delivery.Status.DELIVERED)
    earlier = delivered.count()
    before = costs.now()
    seconds = clients.side_by_side(port, shape.clients, work)
    rig.wait_for(lambda: delivered.count() - earlier >= total * shape.batch, 120, pause=0.5)
    return (costs.now() - before).each(total * shape.batch) | {"accepted_per_s": round(total * shape.batch / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--web", type=int, default=1, help="web processes")
    options = parser.parse_args()
    rig.prepare()
    with rig.receiver() as base, clients.server(processes=options.web) as port, rig.workers(1):
        tokens = [services.create_api_key(merchant=merchant).text for merchant in rig.webhooks(WEBHOOKS, base)]
        run(port, tokens, SHAPES[0], 400)  # warms up
        found: dict[str, list[dict[str, Any]]] = {shape.name: [] for shape in SHAPES}
        for _run, shape in itertools.product(range(options.runs), SHAPES):
            found[shape.name].append(run(port, tokens, shape, options.events))
            print(f"{shape.name}: {found[shape.name][-1]}", flush=True)
    rig.report("statements", {name: rig.medians(runs) for name, runs in found.items()})


if __name__ == "__main__":
    main()
