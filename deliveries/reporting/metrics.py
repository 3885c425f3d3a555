"""What the fleet looks like now, for Prometheus: read at each scrape from counters, the open rows' index and Redis.

Every number is the whole installation's, so any web process may be asked; nothing here reads the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from math import nan

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, F, Max
from django.db.models.functions import Now
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deliveries.db import attempt_parts
from deliveries.db.counters import ATTEMPTS, SKIPPED
from deliveries.models import DeadLetter, Delivery, MaintenanceTask
from deliveries.models.deliveries import HELD
from deliveries.queueing import broker, redis_client, wakeups
from deliveries.reporting import backlog, meter_readings, stats, stuck_rows, transactions
from subscriptions import tallies
from subscriptions.logs import get_logger

log = get_logger(__name__)

WINDOW = timedelta(hours=1)
"""What a scrape sums up, so that its cost doesn't grow with the age of the installation."""
QUANTILES = (0.5, 0.95, 0.99)


def exposition(*, database: bool = True) -> bytes:
    """Return all metrics in Prometheus' text format 0.0.4; those that can be read, where the database is away.

    `database`: whether to ask it; False where it is known to be away.
    """
    registry = CollectorRegistry()
    registry.register(_Installation(database=database))
    return generate_latest(registry)


class _Installation(Collector):
    def __init__(self, *, database: bool) -> None:
        self._asks_database = database

    def collect(self) -> Iterator[Metric]:
        """Yield the installation's metrics."""
        yield from _database(is_asked=self._asks_database)
        yield from _fleet()
        yield from _queues()
        yield from _tallies()


def _database(*, is_asked: bool) -> Iterator[Metric]:
    found: list[Metric] = []
    try:
        if is_asked:
            found = [*_backlog(), *_attempts(), _oldest_transaction(), *_stuck(), *_beat(), *_parts()]
    except (DatabaseError, InterfaceError) as error:
        log.warning("metrics_without_database", error=str(error)[:200])
        found = []
    yield GaugeMetricFamily(
        "webhooks_database_up", "Whether the database answers this web process.", value=int(bool(found))
    )
    yield from found


def _backlog() -> Iterator[Metric]:
    states = Delivery.objects.filter(due_at__isnull=False).values("status").annotate(count=Count("id")).order_by()
    open_rows = GaugeMetricFamily("webhooks_open_deliveries", "Deliveries not yet closed.", labels=["status"])
    found = {row["status"]: row["count"] for row in states}
    for status in Delivery.OPEN:
        open_rows.add_metric([status.value], found.get(status.value, 0))
    yield open_rows
    yield GaugeMetricFamily(
        "webhooks_held_deliveries",
        "Open deliveries that wait in line behind another (webhooks in strict order).",
        value=Delivery.objects.filter(due_at=HELD).count(),
    )
    sent = Delivery.objects.filter(feed_position=None)
    late = sent.filter(due_at__lte=Now()).aggregate(oldest=Max(Now() - F("due_at")))["oldest"]
    yield GaugeMetricFamily(
        "webhooks_oldest_due_seconds",
        "How long the oldest due delivery has waited; held ones of paused webhooks included, feeds not.",
        value=late.total_seconds() if late else 0.0,
    )
    overdue = GaugeMetricFamily(
        "webhooks_overdue_deliveries",
        "Deliveries that could be sent and have been due for longer than so many seconds.",
        labels=["seconds"],
    )
    for age, count in backlog.by_age().items():
        overdue.add_metric([str(age)], count)
    yield overdue
    yield from _feeds()
    yield GaugeMetricFamily(
        "webhooks_dead_letters",
        "Deliveries waiting for review.",
        value=DeadLetter.objects.filter(resolved_at=None).count(),
    )


def _feeds() -> Iterator[Metric]:
    waiting = Delivery.objects.filter(due_at__isnull=False, feed_position__isnull=False)
    found = waiting.aggregate(count=Count("id"), oldest=Max(Now() - F("due_at")))
    yield GaugeMetricFamily(
        "webhooks_feed_unacknowledged", "Deliveries that nobody has fetched and acknowledged yet.", value=found["count"]
    )
    yield GaugeMetricFamily(
        "webhooks_feed_oldest_unacknowledged_seconds",
        "How long the oldest of them has waited.",
        value=found["oldest"].total_seconds() if found["oldest"] else 0.0,
    )


def _stuck() -> Iterator[Metric]:
    rows = GaugeMetricFamily(
        "webhooks_stuck_rows",
        f"Rows in a state that nothing leaves, by kind, up to {stuck_rows.LIMIT}; manage.py doctor names them.",
        labels=["kind"],
    )
    for kind, keys in stuck_rows.look():
        rows.add_metric([kind], len(keys))
    yield rows


def _beat() -> Iterator[Metric]:
    calls = MaintenanceTask.objects.filter(name__startswith=MaintenanceTask.BEAT)
    found = calls.aggregate(unanswered=Max("position"), last=Now() - Max("ran_at"))
    yield GaugeMetricFamily(
        "webhooks_housekeeping_unanswered_calls",
        "Calls of beat in a row, of the entry with the most, that no worker has begun with.",
        value=found["unanswered"] or 0,
    )
    yield GaugeMetricFamily(
        "webhooks_beat_last_call_seconds",
        "How long ago beat called anything; NaN where it never did.",
        value=found["last"].total_seconds() if found["last"] is not None else nan,
    )


def _parts() -> Iterator[Metric]:
    found = attempt_parts.read()
    yield GaugeMetricFamily(
        "webhooks_attempt_parts_ahead",
        "Parts of the table of attempts that are ready for what comes; NaN where the table is whole.",
        value=nan if found is None else found.ahead,
    )
    yield GaugeMetricFamily(
        "webhooks_attempts_outside_parts",
        f"Attempts in no part but the one for the rest, up to {attempt_parts.OUTSIDE_MAX}.",
        value=0 if found is None else found.outside(),
    )


def _attempts() -> Iterator[Metric]:
    last = stats.summary(window=WINDOW)
    attempts = GaugeMetricFamily("webhooks_attempts_last_hour", "Attempts and skipped deliveries.", labels=["result"])
    for result in (*ATTEMPTS, SKIPPED):
        attempts.add_metric([result], last.counts.get(result, 0))
    yield attempts
    response = GaugeMetricFamily("webhooks_response_seconds", "Request to answer, last hour.", labels=["quantile"])
    lateness = GaugeMetricFamily(
        "webhooks_lateness_seconds", "Due to sent, first attempts, last hour.", labels=["quantile"]
    )
    for share in QUANTILES:
        for family, ms in ((response, last.response_ms(share)), (lateness, last.lateness_ms(share))):
            family.add_metric([str(share)], nan if ms is None else ms / 1000)  # as a summary without observations
    yield from (response, lateness)


def _fleet() -> Iterator[Metric]:
    state = wakeups.state()
    figures = (0, 0, 0) if state is None else (state.ready, state.dispatchers, state.workers)
    families = (
        ("webhooks_ready_webhooks", "Webhooks marked ready."),
        ("webhooks_dispatchers", "Dispatchers on duty."),
        ("webhooks_workers", "Worker processes with a recent heartbeat."),
    )
    for (name, text), value in zip(families, figures, strict=True):
        yield GaugeMetricFamily(name, text, value=value)
    refusals = {"redis": redis_client.refusal(), "broker": broker.refusal()}
    for server, refusal in refusals.items():
        yield GaugeMetricFamily(
            f"webhooks_{server}_up", f"Whether the {server} takes what this web process writes.", value=int(not refusal)
        )
    refused = GaugeMetricFamily(
        "webhooks_refused",
        "1, with what Redis or the broker answers instead; 0 without a word while they work.",
        labels=["server", "answer"],
    )
    for server, refusal in refusals.items():
        refused.add_metric([server, _word(refusal) if refusal else ""], int(bool(refusal)))
    yield refused


def _word(refusal: str) -> str:
    """Return the answer's own word (OOM, READONLY), for labels of few values."""
    first = refusal.split(maxsplit=1)[0]
    return first if first.isalpha() and first.isupper() else "unreachable"


def _oldest_transaction() -> Metric:
    family = GaugeMetricFamily(
        "webhooks_oldest_transaction_seconds",
        "Age of the oldest transaction in the database: its locks may hold up others.",
        labels=["session", "state"],
    )
    oldest = transactions.oldest()
    family.add_metric([oldest.session, oldest.state] if oldest else ["", ""], oldest.seconds if oldest else 0)
    return family


def _tallies() -> Iterator[Metric]:
    """Yield what all processes have counted; nothing where Redis doesn't tell, since smaller counts mean a restart."""
    totals = tallies.totals()
    if totals is not None:
        yield from meter_readings.families(totals)


def _queues() -> Iterator[Metric]:
    found = broker.queue_lengths()
    if found is not None:
        family = GaugeMetricFamily(
            "webhooks_queue_messages", "Celery messages that no worker has taken.", labels=["queue"]
        )
        for queue, length in found.items():
            family.add_metric([queue], length)
        yield family
