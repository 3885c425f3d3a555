"""How fast a backlog drains: ours beside the naive task-per-delivery baseline, in one run.

python -m tests.support.services --postgres --valkey --fsync -- python -m bench.drain [--runs 3] [--scale 1.0]
"""

from __future__ import annotations

import argparse
import time

import redis
from django.conf import settings

from bench import rig
from deliveries.models import Delivery

SHAPES = {"10 endpoints, 2,000 each": (10, 2000), "3,000 endpoints, 1 each": (3000, 1)}


def ours(base: str, endpoints: int, each: int) -> tuple[float, int, float]:
    """Return (deliveries a second, Celery messages, commits a delivery)."""
    rig.prepare()
    merchants = rig.webhooks(endpoints, base)
    total = endpoints * each
    messages = rig.Messages()
    rig.publish_backlog(merchants, each)
    with rig.workers():
        before = rig.commits()
        seconds = rig.drain_seconds(total, 300)
        return total / seconds, messages.count(), (rig.commits() - before) / total


def baseline(base: str, endpoints: int, each: int) -> float:
    """Return deliveries a second of a task each."""
    from bench.baseline import fire

    rig.prepare()
    merchants = rig.webhooks(endpoints, base)
    rig.publish_backlog(merchants, each)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()  # the product's own wake-ups are not the baseline's
    keys = list(Delivery.objects.values_list("pk", flat=True))
    for key in keys:
        fire.apply_async(args=[key], queue="baseline")
    with rig.workers(app="bench.baseline", queues="baseline", threads=10):
        return len(keys) / rig.drain_seconds(len(keys), 600)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", choices=["ours", "baseline"])
    options = parser.parse_args()
    with rig.receiver() as base:
        for name, (endpoints, full) in SHAPES.items():
            each = max(1, int(full * options.scale))
            naive, own = [], []
            for _ in range(options.runs):
                if options.only != "baseline":
                    rate, messages, commits = ours(base, endpoints, each)
                    own.append(rate)
                    print(
                        f"{name}: ours {rate:,.0f}/s, {messages} messages, {commits:.3f} commits a delivery", flush=True
                    )
                if options.only != "ours":
                    naive.append(baseline(base, endpoints, each))
                    print(f"{name}: baseline {naive[-1]:,.0f}/s", flush=True)
            if own and naive:
                ratio = rig.median(own) / rig.median(naive)
                print(f"{name}: median {rig.median(own):,.0f} against {rig.median(naive):,.0f}/s: {ratio:.1f} times")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"took {time.monotonic() - started:.0f} s")
