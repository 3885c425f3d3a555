"""How many old deliveries a purge's slice removes, with their attempts and events: 200,000 of each, all old enough.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.purge [--rows 200000]

Runs what beat calls, one slice after the other, until nothing old is left but what waits for review. What a slice
removes counts for the time until the next one: the rate that the purge keeps up with.
"""

from __future__ import annotations

import argparse
import time

from django.db import connection

from bench import rig
from bench.growth import merchant
from bench.log_rows import load
from deliveries.models import Attempt, Delivery, Event
from deliveries.worker import periodic_tasks
from webhooks_project.settings import periodic

WEBHOOKS = 20
OLD = "1000 days"
BODIES = 600
"""Characters of each attempt's logged headers and answer."""
AIM = 1000
"""Deliveries a second that the purge keeps up with."""


def age() -> None:
    """Make every row old, with headers and bodies as real ones have."""
    text = "x" * BODIES
    with connection.cursor() as cursor:
        for model, columns in ((Event, ["created_at"]), (Delivery, ["created_at", "closed_at"])):
            old = ", ".join(f"{column} = {column} - interval '{OLD}'" for column in columns)
            cursor.execute(f"UPDATE {model._meta.db_table} SET {old}")
        cursor.execute(
            f"UPDATE {Attempt._meta.db_table} SET started_at = started_at - interval '{OLD}', request_headers = %s, "
            "response_headers = %s, response_body = %s",
            [text, text, text.encode()],
        )
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    rig.prepare()
    load(merchant("shop", WEBHOOKS), options.rows)
    age()
    began = time.monotonic()
    removed, slices = 0, 0
    while (left := Delivery.objects.exclude(status="dead").count()) or slices == 0:
        periodic_tasks.purge()
        slices += 1
        gone = left - Delivery.objects.exclude(status="dead").count()
        removed += gone
        print(f"slice {slices}: {gone:,} deliveries after {time.monotonic() - began:.1f} s", flush=True)
    seconds = time.monotonic() - began
    every = periodic.CELERY_BEAT_SCHEDULE["purge"]["schedule"]
    share = min(1.0, periodic_tasks.PURGE_SLICE / every)
    rig.report(
        "purge",
        {
            "deliveries": removed,
            "seconds": round(seconds, 1),
            "in a slice, a second": round(removed / seconds),
            "keeps up with, a second": round(removed / seconds * share),
            "aim": AIM,
            "attempts left": Attempt.objects.count(),
            "events left": Event.objects.count(),
        },
    )


if __name__ == "__main__":
    main()
