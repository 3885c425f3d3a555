"""What metrics cost an event: `python -m bench.meters`. Prints microseconds of processor time, by where they are spent.

No server is needed. An event on its way is one answer of the web process, and its share of a chunk that is stored, of a
claim and of a record; chunks of 16, as amid traffic. The bound: 1 % of the 470 µs that an event costs in all processes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")

CHUNK = 16
EVENT_US = 470.0
"""Processor time of an event in all processes, in microseconds: docs/performance.md."""
ROUNDS = 2_000


def measured(job: Callable[[], Any], events: int) -> float:
    """Return microseconds of this thread's processor time an event; the best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for _ in range(ROUNDS):
            job()
        best = min(best, time.thread_time() - began)
    return best / ROUNDS / events * 1e6


def jobs() -> dict[str, tuple[Callable[[], Any], int]]:
    from deliveries import meters
    from deliveries.publishing import storing
    from deliveries.publishing.storing import Stored
    from deliveries.recording import outcome_meters
    from subscriptions import tallies
    from webhooks_project.server import answer_meters

    now = datetime.now(UTC)
    row = SimpleNamespace(attempt=1, due_at=now, webhook=SimpleNamespace(kind="https"))
    outcome = SimpleNamespace(status_code=200, error=None, total_ms=12.5)
    sent = SimpleNamespace(row=row, outcome=outcome)
    decided: Any = [
        SimpleNamespace(sent=sent, status="delivered", started_at=now + timedelta(milliseconds=3)) for _ in range(CHUNK)
    ]
    stored: Any = [[Stored(1, now, 1)] for _ in range(CHUNK)]
    request: Any = SimpleNamespace(method="POST", path="/api/v1/events", began=0.0)
    answer: Any = SimpleNamespace(status=201)

    def claim() -> None:
        counts = {meters.CLAIMED.field(): CHUNK}
        meters.CLAIMING.add_to(counts, 0.004)
        tallies.keep_all(counts)

    return {
        "an answer of the web process": (lambda: answer_meters.count(request, answer, 0.004), 1),
        "a chunk stored": (lambda: storing._meter(stored, 0.004), CHUNK),
        "a claim": (claim, CHUNK),
        "a chunk recorded": (lambda: outcome_meters.count(decided, 0.004), CHUNK),
    }


def main() -> None:
    import django

    django.setup()
    from subscriptions import tallies

    tallies._bringer = tallies.threading.current_thread()  # nothing is brought to Redis meanwhile
    total = 0.0
    for name, (job, events) in jobs().items():
        took = measured(job, events)
        total += took
        print(f"{name + ':':<32} {took:5.2f} µs an event")
    print(f"{'together:':<32} {total:5.2f} µs an event, {total / EVENT_US:.2%} of {EVENT_US:g} µs (bound: 1 %)")


if __name__ == "__main__":
    main()
