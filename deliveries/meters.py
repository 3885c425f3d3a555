"""What is counted and timed for metrics, by whichever process does it: a counter or histogram each, by name.

They are added up in Redis over all processes (`subscriptions.tallies`); `deliveries.reporting.metrics` shows them. On
the way of an event they are counted by the chunk: `bench/meters.py` measures what that costs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from deliveries.transport import ErrorClass
from subscriptions import tallies

UPPER: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms' buckets, in seconds; the last bucket has none."""

EVERY: Final[list[Counter | Histogram]] = []
"""All there are, in the order of a scrape."""


class Counter:
    """A number that only grows, by labels.

    Args:
        name: As scraped, ending in `_total`.
        text: What it counts, in a sentence.
        labels: Label → its values, which are shown from the first scrape on; others are shown once they were counted.
    """

    def __init__(self, name: str, text: str, **labels: Sequence[str]) -> None:
        self.name, self.text, self.labels = name, text, labels
        EVERY.append(self)

    def field(self, *values: str) -> str:
        """Return the name under which tallies keep it: for who counts many at once."""
        return ":".join((self.name, *values))

    def add(self, *values: str, count: int = 1) -> None:
        """Count, under these values of the labels."""
        tallies.keep(":".join((self.name, *values)), count)

    def found(self, totals: Mapping[str, int]) -> dict[tuple[str, ...], int]:
        """Return values of the labels → count."""
        known: list[tuple[str, ...]] = [()]
        for values in self.labels.values():
            known = [(*before, value) for before in known for value in values]
        counted = {
            tuple(field.split(":")[1:]): count for field, count in totals.items() if field.split(":")[0] == self.name
        }
        return dict.fromkeys(known, 0) | counted


class Histogram:
    """How long something took, in seconds.

    Args:
        name: As scraped, ending in `_seconds`.
        text: What it times, in a sentence.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self._buckets = [f"{name}:{nth}" for nth in range(len(UPPER) + 1)]
        self._sum = f"{name}:us"
        EVERY.append(self)

    def observe(self, seconds: float) -> None:
        """Note one duration."""
        counts: dict[str, int] = {}
        self.add_to(counts, seconds)
        tallies.keep_all(counts)

    def add_to(self, counts: dict[str, int], seconds: float) -> None:
        """Note one duration in counts that go to `tallies.keep_all` together with others."""
        bucket = self._buckets[bisect_left(UPPER, seconds)]
        counts[bucket] = counts.get(bucket, 0) + 1
        counts[self._sum] = counts.get(self._sum, 0) + int(seconds * 1e6)

    def found(self, totals: Mapping[str, int]) -> tuple[list[tuple[str, float]], float]:
        """Return the buckets as Prometheus has them (upper bound → so many took no longer), and the sum in seconds."""
        seen, buckets = 0, []
        for field, bound in zip(self._buckets, [*map(str, UPPER), "+Inf"], strict=True):
            seen += totals.get(field, 0)
            buckets.append((bound, float(seen)))
        return buckets, totals.get(self._sum, 0) / 1e6


# --- publishing -------------------------------------------------------------------------------------------------

EVENTS = Counter(
    "webhooks_events_published_total",
    "Events published, by whether they were stored or had been published before.",
    result=("stored", "duplicate"),
)
DELIVERIES = Counter("webhooks_deliveries_created_total", "Deliveries made of published events, skipped ones aside.")
PUBLISHING = Histogram("webhooks_publish_seconds", "Time of the statements that store one chunk of published events.")

_WITHOUT_STATUS: Final = sorted(set(ErrorClass) - {ErrorClass.HTTP_ERROR, ErrorClass.REDIRECT, ErrorClass.INTERRUPTED})

# --- sending ----------------------------------------------------------------------------------------------------

CLAIMED = Counter("webhooks_deliveries_claimed_total", "Deliveries claimed for sending.")
CLAIMING = Histogram("webhooks_claim_seconds", "Time of one claim, of many deliveries or none.")
ATTEMPTS = Counter(
    "webhooks_attempts_total",
    "Attempts, by what followed: delivered, failed (it is tried again), dead, or interrupted.",
    result=("delivered", "failed", "dead", "interrupted"),
)
OUTCOMES = Counter(
    "webhooks_attempt_outcomes_total",
    "Attempts with an outcome, by the class of the status that was answered, or by what went wrong instead.",
    outcome=("2xx", "3xx", "4xx", "5xx", *_WITHOUT_STATUS),
)
RESPONDING = Histogram("webhooks_attempt_seconds", "From request to answer, of attempts.")
LATENESS = Histogram("webhooks_attempt_lateness_seconds", "From due to sent, of first attempts.")
RECORDING = Histogram("webhooks_record_seconds", "Time to record one chunk of outcomes.")

# --- what workers and beat do besides ---------------------------------------------------------------------------

SWEEPS = Counter(
    "webhooks_sweeps_total",
    "Sweeps of the leading scheduler, by whether they found webhooks with something due.",
    found=("yes", "no"),
)
SWEPT = Counter(
    "webhooks_sweep_webhooks_total", "Webhooks that sweeps found with something due; in traffic most are on their way."
)
BEAT_CALLS = Counter("webhooks_beat_calls_total", "Calls that beat has sent to the housekeeping queue.")
TASKS = Counter(
    "webhooks_housekeeping_tasks_total",
    "Housekeeping tasks that workers have ended, by the task's name and how it ended.",
    task=("deliveries.tell", "deliveries.purge"),
    result=("success", "failure"),
)
TASK_TIMES = Histogram("webhooks_housekeeping_seconds", "Time of one housekeeping task.")

# --- web --------------------------------------------------------------------------------------------------------

ROUTES: Final = ("publish", "api", "admin", "health", "other")
RESPONSES = Counter(
    "webhooks_http_responses_total",
    "Answers of web processes, by route and class of the status.",
    route=ROUTES,
    code=("2xx", "3xx", "4xx", "5xx"),
)
ANSWERING = Histogram("webhooks_http_publish_seconds", "From a request to publish, read whole, to its answer.")
