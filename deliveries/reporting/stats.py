"""Numbers for charts, from counters alone: nothing here grows with the log.

Windows of more than six hours are read from the cells of an hour, shorter ones from those of five minutes.

The recorder adds to a cell of (webhook, bucket, result, band) for each attempt; this module defines the cells and
reads them back. An attempt counts once: `delivered`, `failed` (and another follows), `dead` (and it was the last),
`interrupted`. `skipped` counts deliveries that were never sent. `lateness` counts first attempts, its band being the
time from due to sent instead of the response time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Func, QuerySet, Sum
from django.utils import timezone

from deliveries.db.counters import ATTEMPTS, BANDS, BUCKET, HOUR, LATENESS, SKIPPED, band_of, bucket_of, floor
from deliveries.models.webhook_states import Counter, HourCounter
from subscriptions.models import Merchant, Webhook

__all__ = [
    "ATTEMPTS",
    "BANDS",
    "BUCKET",
    "FINE_MAX",
    "LATENESS",
    "PERCENTILE_OF",
    "SKIPPED",
    "Summary",
    "band_of",
    "bucket_of",
    "grain_of",
    "meant_percentile",
    "percentile",
    "series",
    "summary",
    "worst",
]

FINE_MAX = timedelta(hours=6)
"""The longest window read from cells of five minutes; retention keeps those longer than this."""

PERCENTILE_OF = 20
"""Values below which pages show no percentile: of three durations there is none that 95 of 100 stay under."""

Whose = Merchant | Iterable[Merchant | int] | None
"""One merchant, several (or their primary keys), or all."""


def meant_percentile(bands: Mapping[int, int], share: float) -> float | None:
    """Return the percentile as `percentile` does, for eyes: None where fewer than PERCENTILE_OF values make it."""
    return percentile(bands, share) if sum(bands.values()) >= PERCENTILE_OF else None


def percentile(bands: Mapping[int, int], share: float) -> float | None:
    """Return the duration in milliseconds that `share` (0 to 1) of the counted stay under; None without any.

    An estimate: inside a band the durations are taken as spread evenly.
    """
    total = sum(bands.values())
    if not total:
        return None
    wanted, seen = share * total, 0
    for band in sorted(bands):
        count = bands[band]
        if seen + count >= wanted:
            low = BANDS[band - 1] if band else 0
            return low + (BANDS[band] - low) * (wanted - seen) / count
        seen += count
    return float(BANDS[max(bands)])


@dataclass
class Summary:
    """Attempts of a stretch of time. Durations are milliseconds, `bands` and `lateness` map a band to a count."""

    counts: dict[str, int] = field(default_factory=dict)
    bands: dict[int, int] = field(default_factory=dict)
    lateness: dict[int, int] = field(default_factory=dict)
    total_ms: float = 0.0

    def add(self, result: str, band: int, count: int, total_ms: float) -> None:
        """Add one cell."""
        if result == LATENESS:
            self.lateness[band] = self.lateness.get(band, 0) + count
            return
        self.counts[result] = self.counts.get(result, 0) + count
        if result in {"delivered", "failed", "dead"}:
            self.bands[band] = self.bands.get(band, 0) + count
            self.total_ms += total_ms

    @property
    def attempts(self) -> int:
        """Return how many requests were made."""
        return sum(self.counts.get(result, 0) for result in ATTEMPTS)

    @property
    def delivered(self) -> int:
        """Return how many were answered with 2xx."""
        return self.counts.get("delivered", 0)

    @property
    def failed(self) -> int:
        """Return how many attempts did not deliver, whether or not another followed."""
        return self.attempts - self.delivered

    @property
    def ended(self) -> int:
        """Return how many deliveries arrived or were given up."""
        return self.delivered + self.counts.get("dead", 0)

    @property
    def measured(self) -> int:
        """Return how many attempts have a response time."""
        return sum(self.bands.values())

    @property
    def success_rate(self) -> float | None:
        """Return the share of attempts that delivered, 0 to 1; None without attempts."""
        return self.delivered / self.attempts if self.attempts else None

    @property
    def average_ms(self) -> float | None:
        """Return the mean response time in milliseconds."""
        return self.total_ms / self.measured if self.measured else None

    def response_ms(self, share: float) -> float | None:
        """Return the response time in milliseconds that `share` of the attempts stay under."""
        return percentile(self.bands, share)

    def lateness_ms(self, share: float) -> float | None:
        """Return the lateness in milliseconds that `share` of the first attempts stay under."""
        return percentile(self.lateness, share)


def summary(*, window: timedelta, merchant: Whose = None, webhook: Webhook | None = None) -> Summary:
    """Sum the counters of the last `window`: of one webhook, of one or several merchants, or of all. One query.

    The cell in which the window begins counts whole.
    """
    total = Summary()
    rows = _cells(_since(window, timezone.now()), window, merchant, webhook).values_list("result", "band")
    for result, band, count, total_ms in rows.annotate(Sum("count"), Sum("total_ms")).order_by():
        total.add(result, band, count, total_ms)
    return total


def series(
    *,
    window: timedelta,
    points: int = 24,
    merchant: Whose = None,
    webhook: Webhook | None = None,
) -> list[tuple[datetime, Summary]]:
    """Cut the last `window` into about `points` equal steps, oldest first, each with its Summary. One query.

    A step is a whole number of cells, and empty steps are there with zeros, so that a chart's axis is even. The first
    and the last may be cut by the window's ends; together they hold what `summary` holds.
    """
    now, grain = timezone.now(), grain_of(window)
    since, step = _since(window, now), max(grain, window / points // grain * grain)
    steps: dict[datetime, Summary] = {}
    moment = floor(since, step)
    while moment <= now:
        steps[moment] = Summary()
        moment += step
    rows = _cells(since, window, merchant, webhook).annotate(step=_Step("bucket", step=step))
    sums = rows.values_list("step", "result", "band").annotate(Sum("count"), Sum("total_ms")).order_by()
    for number, result, band, count, total_ms in sums:
        at = datetime.fromtimestamp(number * step.total_seconds(), tz=UTC)
        # A receiver's answer may be counted in a step that began after we looked at the clock.
        steps.setdefault(at, Summary()).add(result, band, count, total_ms)
    return sorted(steps.items())


def total(steps: Iterable[tuple[datetime, Summary]]) -> Summary:
    """Add up what `series` returned."""
    whole = Summary()
    for _at, step in steps:
        whole.counts = _sum(whole.counts, step.counts)
        whole.bands = _sum(whole.bands, step.bands)
        whole.lateness = _sum(whole.lateness, step.lateness)
        whole.total_ms += step.total_ms
    return whole


def worst(*, window: timedelta, merchant: Whose = None, limit: int = 5) -> list[tuple[int, Summary]]:
    """Return the `limit` webhooks (primary keys) with the most failed attempts in the last `window`. One query.

    Deleted ones, about which nobody can do anything, take no other's place.
    """
    webhooks: dict[int, Summary] = {}
    cells = _cells(_since(window, timezone.now()), window, merchant, None)
    cells = cells.filter(result__in=ATTEMPTS, webhook__deleted_at=None)
    rows = cells.values_list("webhook_id", "result")
    for webhook_id, result, count in rows.annotate(Sum("count")).order_by():
        webhooks.setdefault(webhook_id, Summary()).add(result, 0, count, 0.0)
    failing = [(pk, each) for pk, each in webhooks.items() if each.failed]
    return sorted(failing, key=lambda pair: -pair[1].failed)[:limit]


def _sum(one: dict[Any, int], other: dict[Any, int]) -> dict[Any, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}


def grain_of(window: timedelta) -> timedelta:
    """Return the time a cell covers that this window is read from."""
    return HOUR if window > FINE_MAX else BUCKET


def _since(window: timedelta, now: datetime) -> datetime:
    return floor(now - window, grain_of(window))


def _cells(since: datetime, window: timedelta, merchant: Any, webhook: Webhook | None) -> QuerySet[Any]:
    model = HourCounter if grain_of(window) == HOUR else Counter
    rows = model.objects.filter(bucket__gte=since)
    if webhook is not None:
        rows = rows.filter(webhook=webhook)
    elif isinstance(merchant, Merchant):
        rows = rows.filter(merchant=merchant)
    elif merchant is not None:
        rows = rows.filter(merchant__in=merchant)
    return rows


class _Step(Func):
    """The number of the step, counted from 1970, that a moment lies in: the database sums, not we."""

    output_field = BigIntegerField()
    template = "EXTRACT(EPOCH FROM %(expressions)s)::bigint / %(step)s"

    def __init__(self, moment: str, *, step: timedelta) -> None:
        super().__init__(moment)
        self.extra["step"] = int(step.total_seconds())
