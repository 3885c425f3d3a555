"""What a neighbour's outage costs: 1,000 endpoints that answer, alone and beside others that hang for 10 s a request.

python -m tests.support.services --postgres --valkey --fsync -- python -m bench.isolation [--runs 3] [--hanging 200]
"""

from __future__ import annotations

import argparse

from bench import rig

HEALTHY = 1000


def healthy_seconds(base: str, hanging: int, each: int) -> float:
    """Return how long the healthy endpoints' deliveries take, from the first request to the last answer."""
    rig.prepare()
    merchants = rig.webhooks(
        HEALTHY + hanging, base, paths=lambda number: f"/hang/{number}" if number < hanging else f"/ok/{number}"
    )
    rig.publish_backlog(merchants, each)
    with rig.workers():
        return rig.drain_seconds(HEALTHY * each, 300, url_part="/ok/")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hanging", type=int, default=200)
    options = parser.parse_args()
    with rig.receiver() as base:
        for each in (1, 10):
            alone, beside = [], []
            for _ in range(options.runs):
                alone.append(healthy_seconds(base, 0, each))
                beside.append(healthy_seconds(base, options.hanging, each))
                print(f"{each} each: alone {alone[-1]:.2f} s, beside the hanging {beside[-1]:.2f} s", flush=True)
            ratio = rig.median(beside) / rig.median(alone)
            print(f"{each} each: median {rig.median(beside):.2f} against {rig.median(alone):.2f} s: {ratio:.2f} times")


if __name__ == "__main__":
    main()
