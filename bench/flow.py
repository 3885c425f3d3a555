"""How soon single events arrive, from the client's request to the endpoint's receipt, at 20, 100 and 200 a second.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.flow [--runs 3] [--seconds 20]

Web processes, worker and endpoint as the Procfile runs them; ten webhooks. CPU is that of all processes, an event.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import urllib.request

from bench import clients, costs, rig
from subscriptions import services

RATES = (20, 100, 200)
CLIENTS = 16
WEBHOOKS = 10
WARM_UP = 50


def body() -> bytes:
    """Return an event that says when it was sent; the receiver knows it by `sent_at` (nanoseconds)."""
    return json.dumps({"event": rig.EVENT, "data": rig.DATA | {"sent_at": str(time.time_ns())}}).encode()


def send(port: int, tokens: list[str], rate: float, seconds: float) -> None:
    """Publish single events at an even rate, whatever the answers take."""
    total = int(rate * seconds)
    places = itertools.count()
    began = time.monotonic()

    def work(client: clients.Client, _number: int) -> None:
        while (place := next(places)) < total:
            time.sleep(max(0.0, began + place / rate - time.monotonic()))
            client.post(clients.request(clients.SINGLE, body(), tokens[place % len(tokens)]))

    clients.side_by_side(port, CLIENTS, work)


def received(base: str, *, expect: int) -> list[float]:
    """Return milliseconds from sending to receipt of the events that arrived since the last call, sorted.

    Raises TimeoutError when they aren't `expect` in 30 s.
    """
    found: list[float] = []

    def complete() -> bool:
        with urllib.request.urlopen(f"{base}/latencies", timeout=10) as answer:
            found.extend(json.load(answer))
        return len(found) >= expect

    rig.wait_for(complete, 30)
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    rig.prepare()
    with rig.receiver() as base, clients.server() as port, rig.workers():
        merchants = rig.webhooks(WEBHOOKS, base)
        tokens = [services.create_api_key(merchant=merchant).text for merchant in merchants]
        send(port, tokens, WARM_UP, 1.0)
        received(base, expect=WARM_UP)
        figures: dict[int, list[dict[str, float]]] = {rate: [] for rate in RATES}
        for _run, rate in itertools.product(range(options.runs), RATES):
            before = costs.now()
            send(port, tokens, rate, options.seconds)
            late = received(base, expect=(count := int(rate * options.seconds)))
            spent = (costs.now() - before).each(count)
            p50, p99 = (late[int(len(late) * share)] for share in (0.5, 0.99))
            figures[rate].append({"p50_ms": p50, "p99_ms": p99, "cpu_us": spent["cpu_us"]})
            print(f"{rate}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {spent['cpu_us']:,} µs of CPU", flush=True)
    rig.report(
        "flow",
        {
            f"{rate}/s": {name: rig.median([run[name] for run in runs]) for name in runs[0]}
            for rate, runs in figures.items()
        },
    )


if __name__ == "__main__":
    main()
