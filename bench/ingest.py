"""How fast events are accepted: `POST events` singly and in batches of 100, beside a bare Django view in the same run.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.ingest [--runs 3] [--seconds 5]

Two web processes, PostgreSQL, one matching webhook, no worker: what is measured is the door.
"""

from __future__ import annotations

import argparse
import json
import time

from bench import clients, rig
from subscriptions import services

CLIENTS = 8
BATCH = 100


def rate(port: int, path: str, body: bytes, token: str, each: int, seconds: float) -> float:
    """Return events a second over CLIENTS keep-alive connections."""
    request = clients.request(path, body, token)
    done = [0] * CLIENTS
    stop_at = time.monotonic() + seconds

    def work(client: clients.Client, number: int) -> None:
        while time.monotonic() < stop_at:
            client.post(request)
            done[number] += each

    took = clients.side_by_side(port, CLIENTS, work)
    return sum(done) / took


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
        "single": (clients.SINGLE, single, 1),
        f"batches of {BATCH}": (clients.BATCH, batch, BATCH),
    }
    figures = {}
    for name, (path, body, each) in shapes.items():
        ours, bare = [], []
        for _ in range(options.runs):
            with clients.server() as port:
                rate(port, path, body, token, each, 1.0)
                ours.append(rate(port, path, body, token, each, options.seconds))
            with clients.server("bench.bare_view", processes=1) as port:
                rate(port, "/api/ingest", body, token, each, 1.0)
                bare.append(rate(port, "/api/ingest", body, token, each, options.seconds))
            print(f"{name}: ours {ours[-1]:,.0f}/s, bare view {bare[-1]:,.0f}/s", flush=True)
        ratio = rig.median(ours) / rig.median(bare)
        print(f"{name}: median {rig.median(ours):,.0f} against {rig.median(bare):,.0f} events/s: {ratio:.2f} times")
        figures[name] = {"ours_per_s": rig.median(ours), "bare_per_s": rig.median(bare), "ratio": round(ratio, 2)}
    rig.report("ingest", figures)


if __name__ == "__main__":
    main()
