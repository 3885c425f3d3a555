"""What the fleet looks like now, for Prometheus: read at each scrape from counters, the open rows' index and Redis.

Every number is the whole installation's, so any web process may be asked; nothing here reads the log.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, F, Max, Sum
from django.db.models.functions import Now
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from deliveries import lanes
from deliveries.counters import BANDS, LATENESS
from deliveries.models import Counter, DeadLetter, Delivery

ANSWERED = ("delivered", "failed", "dead")
"""Results that have a response time."""


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format 0.0.4. Raises DatabaseError when the database is away."""
    registry = CollectorRegistry()
    registry.register(_Installation())
    return generate_latest(registry)


class _Installation(Collector):
    def collect(self) -> Iterator[Metric]:
        """Yield the installation's metrics."""
        yield from _backlog()
        yield from _attempts()
        yield from _fleet()


def _backlog() -> Iterator[Metric]:
    states = Delivery.objects.filter(due_at__isnull=False).values("status").annotate(count=Count("id")).order_by()
    open_rows = GaugeMetricFamily("webhooks_open_deliveries", "Deliveries not yet closed.", labels=["status"])
    found = {row["status"]: row["count"] for row in states}
    for status in Delivery.OPEN:
        open_rows.add_metric([status.value], found.get(status.value, 0))
    yield open_rows
    late = Delivery.objects.filter(due_at__lte=Now()).aggregate(oldest=Max(Now() - F("due_at")))["oldest"]
    yield GaugeMetricFamily(
        "webhooks_oldest_due_seconds",
        "How long the oldest due delivery has waited; held ones of paused webhooks included.",
        value=late.total_seconds() if late else 0.0,
    )
    yield GaugeMetricFamily(
        "webhooks_dead_letters",
        "Deliveries waiting for review.",
        value=DeadLetter.objects.filter(resolved_at=None).count(),
    )


def _attempts() -> Iterator[Metric]:
    cells = Counter.objects.values("result", "band").annotate(n=Sum("count"), ms=Sum("total_ms")).order_by()
    totals: dict[str, int] = {}
    answers, lateness = dict.fromkeys(range(len(BANDS)), 0), dict.fromkeys(range(len(BANDS)), 0)
    answer_ms = late_ms = 0.0
    for cell in cells:
        if cell["result"] == LATENESS:
            lateness[cell["band"]] += cell["n"]
            late_ms += cell["ms"]
            continue
        totals[cell["result"]] = totals.get(cell["result"], 0) + cell["n"]
        if cell["result"] in ANSWERED:
            answers[cell["band"]] += cell["n"]
            answer_ms += cell["ms"]
    attempts = CounterMetricFamily(
        "webhooks_attempts", "Attempts (and skipped deliveries) by result.", labels=["result"]
    )
    for result in (*ANSWERED, "interrupted", "skipped"):
        attempts.add_metric([result], totals.get(result, 0))
    yield attempts
    yield _histogram("webhooks_response_seconds", "Time from request to answer.", answers, answer_ms)
    yield _histogram("webhooks_lateness_seconds", "From due to sent, first attempts.", lateness, late_ms)


def _histogram(name: str, text: str, bands: dict[int, int], total_ms: float) -> Metric:
    family = HistogramMetricFamily(name, text)
    buckets, seen = [], 0
    for band, bound in enumerate(BANDS):
        seen += bands[band]
        # What was slower than the last bound is counted in the last band: its bucket is the infinite one.
        buckets.append(("+Inf" if band == len(BANDS) - 1 else str(bound / 1000), float(seen)))
    family.add_metric([], buckets=buckets, sum_value=total_ms / 1000)
    return family


def _fleet() -> Iterator[Metric]:
    ready = GaugeMetricFamily("webhooks_ready_lanes", "Lanes marked ready.", labels=["queue"])
    shifts = GaugeMetricFamily("webhooks_shifts", "Shifts that are on.", labels=["queue"])
    workers = GaugeMetricFamily("webhooks_workers", "Worker processes heard of lately.", labels=["queue"])
    redis_up = 1
    for queue in (lanes.FAST, lanes.SLOW):
        state = lanes.state(queue)
        if state is None:
            redis_up = 0
            continue
        for family, value in zip((ready, shifts, workers), state, strict=True):
            family.add_metric([queue], value)
    yield from (ready, shifts, workers)
    yield GaugeMetricFamily("webhooks_redis_up", "Whether Redis answers this web process.", value=redis_up)
