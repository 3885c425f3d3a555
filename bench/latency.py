"""How soon a lone event leaves: from the commit to the request, and the statements it takes.

python -m tests.support.services --postgres --valkey --fsync -- python -m bench.latency [--events 200]
"""

from __future__ import annotations

import argparse
import statistics
import time

from bench import rig
from deliveries.models import Attempt
from deliveries.publishing import publish


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=200)
    options = parser.parse_args()
    rig.prepare()
    with rig.receiver() as base, rig.workers():
        [merchant] = rig.webhooks(1, base)
        for _ in range(options.events):
            publish(rig.EVENT, rig.DATA, merchant=merchant)
            time.sleep(0.05)
        rig.drain_seconds(options.events, 60)
        late = sorted(Attempt.objects.values_list("lateness_ms", flat=True)[20:])  # the first ones warm up
    quantiles = statistics.quantiles(late, n=100)
    print(f"from due to sent: median {quantiles[49]:.1f} ms, p95 {quantiles[94]:.1f} ms, p99 {quantiles[98]:.1f} ms")


if __name__ == "__main__":
    main()
