"""What a neighbour's outage costs: 1,000 endpoints that answer, alone and beside others that hang for 10 s a request.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.isolation [--runs 3] [--hanging 200]

First a backlog: how long the healthy ones take for it. Then `flow`: single events to the healthy ones at an even rate,
one worker, and `--crowd` endpoints hanging meanwhile: how late the healthy ones' requests start, and what an open
request holds of the worker's memory.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any

import psutil

from bench import rig
from deliveries.models import Attempt, Delivery
from deliveries.publishing import publish
from subscriptions.models import Merchant

HEALTHY = 1000
RATE = 100.0
"""Events a second to the healthy endpoints."""


def healthy_seconds(base: str, hanging: int, each: int) -> float:
    """Return how long the healthy endpoints' deliveries take, from the first request to the last answer."""
    merchants = _merchants(base, hanging)
    rig.publish_backlog(merchants, each)
    with rig.workers():
        return rig.drain_seconds(HEALTHY * each, 300, url_part="/ok/")


def flow(base: str, hanging: int, seconds: float) -> dict[str, float]:
    """Return the quantiles of the healthy ones' lateness, and the worker's memory with all hanging requests open.

    Lateness is the database's: from the commit of an event to the start of its request. MiB and milliseconds.
    """
    merchants = _merchants(base, hanging)
    crowd, healthy = merchants[:hanging], merchants[hanging:]
    with rig.workers(1) as (worker,):
        _publish_evenly(healthy, RATE, 3.0)  # what is loaded at the first event belongs to neither
        idle = _mebibytes(worker)
        rig.publish_backlog(crowd, 4)  # four times 10 s: one request open for each, throughout
        rig.wait_for(lambda: Delivery.objects.filter(status=Delivery.Status.SENDING).count() >= hanging, 60)
        most = _Most(worker)
        before = Attempt.objects.filter(url__contains="/ok/").count()
        count = _publish_evenly(healthy, RATE, seconds)
        rig.wait_for(lambda: Attempt.objects.filter(url__contains="/ok/").count() >= before + count, 60)
        peak = most.stop()
        open_requests = Delivery.objects.filter(status=Delivery.Status.SENDING).count()
        late = sorted(_lateness()[before:])
    each = (peak - idle) * 1024 / hanging if hanging else 0.0
    return {
        "p50_ms": late[len(late) // 2],
        "p99_ms": late[int(len(late) * 0.99)],
        "open": open_requests,
        "idle_mib": idle,
        "peak_mib": peak,
        "kib_an_open_request": each,
    }


def _merchants(base: str, hanging: int) -> list[Merchant]:
    rig.prepare()
    return rig.webhooks(
        HEALTHY + hanging, base, paths=lambda number: f"/hang/{number}" if number < hanging else f"/ok/{number}"
    )


def _publish_evenly(merchants: list[Merchant], rate: float, seconds: float) -> int:
    began, count = time.monotonic(), int(rate * seconds)
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        publish(rig.EVENT, rig.DATA, merchant=merchants[number % len(merchants)])
    return count


def _lateness() -> list[float]:
    return list(Attempt.objects.filter(url__contains="/ok/").order_by("id").values_list("lateness_ms", flat=True))


def _mebibytes(process: psutil.Process) -> float:
    tree = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in tree) / 2**20


class _Most:
    """The most memory that a worker has had since."""

    def __init__(self, worker: psutil.Process) -> None:
        self._worker = worker
        self._most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            self._most = max(self._most, _mebibytes(self._worker))

    def stop(self) -> float:
        """Return it, in MiB."""
        self._stop.set()
        self._thread.join()
        return max(self._most, _mebibytes(self._worker))


def backlog(base: str, hanging: int, runs: int) -> None:
    """Print how much longer the healthy ones' backlog takes beside `hanging` endpoints that hang."""
    for each in (1, 10):
        alone, beside = [], []
        for _ in range(runs):
            alone.append(healthy_seconds(base, 0, each))
            beside.append(healthy_seconds(base, hanging, each))
            print(f"{each} each: alone {alone[-1]:.2f} s, beside the hanging {beside[-1]:.2f} s", flush=True)
        ratio = rig.median(beside) / rig.median(alone)
        print(f"{each} each: median {rig.median(beside):.2f} against {rig.median(alone):.2f} s: {ratio:.2f} times")


def crowded_flow(base: str, crowd: int, seconds: float, runs: int) -> dict[str, Any]:
    """Print and return the healthy ones' lateness alone and beside a crowd of hanging requests, medians of runs."""
    found: dict[str, list[dict[str, float]]] = {"alone": [], "beside": []}
    for _ in range(runs):
        for name, hanging in (("alone", 0), ("beside", crowd)):
            taken = flow(base, hanging, seconds)
            found[name].append(taken)
            print(f"flow {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in taken.items()), flush=True)
    medians = {name: rig.medians(taken) for name, taken in found.items()}
    ratio = medians["beside"]["p99_ms"] / medians["alone"]["p99_ms"]
    print(f"flow: p99 beside {crowd} hanging {ratio:.2f} times that alone")
    return medians | {"p99_ratio": round(ratio, 2)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hanging", type=int, default=200)
    parser.add_argument("--crowd", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", choices=["backlog", "flow"])
    options = parser.parse_args()
    with rig.receiver() as base:
        if options.only != "flow":
            backlog(base, options.hanging, options.runs)
        if options.only != "backlog":
            rig.report("isolation, flow", crowded_flow(base, options.crowd, options.seconds, options.runs))


if __name__ == "__main__":
    main()
