"""How fast a backlog drains, and what a delivery costs: ours beside the naive task-per-delivery baseline, in one run.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.drain [--runs 3] [--scale 1.0]

Then ours alone for other shapes: bodies of 5 and 50 kB, endpoints that fail three first attempts of ten, and endpoints
over TLS, each beside the plain deep one of the same run. The worker's CPU is that of its process alone.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import redis

from bench import costs, rig
from deliveries.models import Delivery
from subscriptions.conf import settings
from subscriptions.models import Webhook

RETRY_AT_ONCE = {"delays": [1, 1, 1]}
"""A retry's wait is no cost; what is measured is what it takes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A backlog: how many webhooks, how much for each, and what their endpoints are like."""

    name: str
    endpoints: int
    each: int
    note: int = 250
    """Characters of the order's note: the body is some 150 bytes longer."""
    failing: float = 0.0
    """The share of webhooks whose endpoints answer 500 to each message's first attempt."""
    is_tls: bool = False

    @property
    def total(self) -> int:
        """Deliveries."""
        return self.endpoints * self.each


DEEP = Shape("10 endpoints, 2,000 each", 10, 2000)
BESIDE_BASELINE = (DEEP, Shape("3,000 endpoints, 1 each", 3000, 1))
VARIANTS = (
    DEEP,
    replace(DEEP, name="bodies of 5 kB", note=5_000),
    replace(DEEP, name="bodies of 50 kB", note=50_000, each=200),
    replace(DEEP, name="30% fail at first", failing=0.3, each=500),
    replace(DEEP, name="TLS, kept connections", is_tls=True),
    Shape("TLS, 1,000 new connections", 1000, 1, is_tls=True),
)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The receivers' addresses, and the file of the authority that signed the TLS one's certificate."""

    plain: str
    tls: str
    authority: str


def ours(endpoints: Endpoints, shape: Shape, workers: int = 2) -> dict[str, Any]:
    """Return what a delivery took, with deliveries a second and all Celery messages."""
    rig.prepare()

    def path(number: int) -> str:
        return f"/fail/{number}" if number < shape.endpoints * shape.failing else f"/{number}"

    merchants = rig.webhooks(shape.endpoints, endpoints.tls if shape.is_tls else endpoints.plain, paths=path)
    Webhook.objects.filter(url__contains="/fail/").update(retry_policy=RETRY_AT_ONCE)
    messages = rig.Messages()
    rig.publish_backlog(merchants, shape.each, note=shape.note)
    with rig.workers(workers, WEBHOOKS_CA_FILE=endpoints.authority):
        before = costs.now()
        seconds = rig.drain_seconds(shape.total, 300)
        spent = (costs.now() - before).each(shape.total)
    return {"per_s": round(shape.total / seconds), "messages": messages.count()} | spent


def baseline(endpoints: Endpoints, shape: Shape) -> float:
    """Return deliveries a second of a task each."""
    from bench.baseline import fire

    rig.prepare()
    merchants = rig.webhooks(shape.endpoints, endpoints.plain)
    rig.publish_backlog(merchants, shape.each)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()  # the product's own wake-ups are not the baseline's
    keys = list(Delivery.objects.values_list("pk", flat=True))
    for key in keys:
        fire.apply_async(args=[key], queue="baseline")
    with rig.workers(app="bench.baseline", queues="baseline", threads=10):
        return len(keys) / rig.drain_seconds(len(keys), 600)


def show(name: str, found: dict[str, Any]) -> None:
    """Print one run."""
    worker = found["cpu_us_by_part"].get("worker", 0)
    print(
        f"{name}: {found['per_s']:,}/s, {worker} µs of a worker's CPU a delivery, {found['cpu_us']} of all; "
        f"{found['messages']} messages, {found['commits']:.3f} commits a delivery",
        flush=True,
    )


def beside_baseline(endpoints: Endpoints, shapes: list[Shape], runs: int) -> dict[str, Any]:
    """Run ours and the baseline in turn; return the medians and their ratio, by shape."""
    figures: dict[str, Any] = {}
    for shape in shapes:
        own, naive = [], []
        for _ in range(runs):
            own.append(ours(endpoints, shape))
            show(shape.name, own[-1])
            naive.append(baseline(endpoints, shape))
            print(f"{shape.name}: baseline {naive[-1]:,.0f}/s", flush=True)
        median = rig.medians(own)
        ratio = median["per_s"] / rig.median(naive)
        print(f"{shape.name}: median {median['per_s']:,} against {rig.median(naive):,.0f}/s: {ratio:.1f} times")
        figures[shape.name] = median | {"baseline_per_s": round(rig.median(naive)), "ratio": round(ratio, 1)}
    return figures


def variants(endpoints: Endpoints, shapes: list[Shape], runs: int) -> dict[str, Any]:
    """Run each shape in turn, several times over; return the medians, with the worker's CPU beside the first's."""
    found: dict[str, list[dict[str, Any]]] = {shape.name: [] for shape in shapes}
    for _ in range(runs):
        for shape in shapes:
            found[shape.name].append(ours(endpoints, shape, workers=1))
            show(shape.name, found[shape.name][-1])
    figures = {name: rig.medians(taken) for name, taken in found.items()}
    plain = figures[shapes[0].name]["cpu_us_by_part"]["worker"]
    for name, median in figures.items():
        worker = median["cpu_us_by_part"]["worker"]
        print(f"{name}: median {worker:.0f} µs of a worker's CPU, {worker / plain:.2f} times the first's")
    return figures


@contextlib.contextmanager
def receivers() -> Iterator[Endpoints]:
    """Run a plain and a TLS endpoint; the second's certificate is its own authority."""
    with tempfile.TemporaryDirectory() as folder, rig.receiver() as plain:
        certificate, key = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        with rig.receiver(str(certificate), str(key)) as tls:
            yield Endpoints(plain, tls.replace("http:", "https:"), str(certificate))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", choices=["baseline", "variants"])
    options = parser.parse_args()

    def scaled(shapes: tuple[Shape, ...]) -> list[Shape]:
        return [replace(shape, each=max(1, int(shape.each * options.scale))) for shape in shapes]

    parts: dict[str, Callable[[Endpoints], dict[str, Any]]] = {
        "baseline": lambda endpoints: beside_baseline(endpoints, scaled(BESIDE_BASELINE), options.runs),
        "variants": lambda endpoints: variants(endpoints, scaled(VARIANTS), options.runs),
    }
    with receivers() as endpoints:
        for name, part in parts.items():
            if options.only in {None, name}:
                rig.report(f"drain, {name}", part(endpoints))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"took {time.monotonic() - started:.0f} s")
