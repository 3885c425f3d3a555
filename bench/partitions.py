"""What partitions by time would cost the hot path: the same traffic on today's tables, and on partitioned ones.

    python -m tests.support.services --postgres --valkey --fsync -- \
        python -m bench.partitions [--rows 2000000] [--months 13] [--runs 3]

Deliveries and attempts are partitioned by ranges of their keys, which grow with time; events can't be, since an event's
own id counts once a merchant over all time, nor can the one delivery of an ordering group that may be sent be kept the
only one by the table. The statements are today's. Figures are of one event, published over REST
and delivered by one worker: CPU of PostgreSQL and of all processes, and what a claim of one webhook takes.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

from django.db import connection

from bench import clients, rig
from bench.log_rows import load
from bench.statements import SHAPES, run
from deliveries.models import Event
from subscriptions import services

TABLES = {"webhooks_deliveries_delivery": "id", "webhooks_deliveries_attempt": "id"}
WEBHOOKS = 10


def partition(months: int) -> None:
    """Make both tables anew with that many partitions of equal size, and room ahead in the last."""
    with connection.cursor() as cursor:
        for table, key in TABLES.items():
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [table])
            indexes = [definition for (definition,) in cursor.fetchall()]
            cursor.execute(f"SELECT COALESCE(max({key}), 0) FROM {table}")
            [last] = cursor.fetchone()
            cursor.execute(
                f"CREATE TABLE made (LIKE {table} INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE ({key})"
            )
            bounds = [0, *(last * number // months for number in range(1, months)), last + 1]
            for number, (low, high) in enumerate(itertools.pairwise(bounds)):
                cursor.execute(f"CREATE TABLE {table}_{number} PARTITION OF made FOR VALUES FROM ({low}) TO ({high})")
            cursor.execute(f"CREATE TABLE {table}_now PARTITION OF made FOR VALUES FROM ({last + 1}) TO (MAXVALUE)")
            cursor.execute(f"INSERT INTO made OVERRIDING SYSTEM VALUE SELECT * FROM {table}")
            cursor.execute(f"DROP TABLE {table} CASCADE")
            cursor.execute(f"ALTER TABLE made RENAME TO {table}")
            for definition in indexes:
                is_lost = " UNIQUE " in definition and not definition.endswith(f"({key})")
                if is_lost:
                    print(f"Not unique any more, over all parts: {definition}", flush=True)
                cursor.execute(definition.replace(" UNIQUE ", " ") if is_lost else definition)
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN {key} RESTART WITH {last + 1}")
        settle(cursor)


def settle(cursor: Any) -> None:
    """Let nothing that loading left to do be done while it is measured."""
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("CHECKPOINT")


def measure(tokens: list[str], runs: int, events: int) -> dict[str, dict[str, Any]]:
    """Return the figures of each shape of traffic, medians of the runs."""
    found: dict[str, list[dict[str, Any]]] = {shape.name: [] for shape in SHAPES}
    with clients.server() as port, rig.workers(1):
        run(port, tokens, SHAPES[0], 400)  # warms up
        for _ in range(runs):
            for shape in SHAPES:
                found[shape.name].append(run(port, tokens, shape, events))
    return {name: rig.medians(each) for name, each in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--months", type=int, default=13)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--events", type=int, default=3000)
    options = parser.parse_args()
    rig.prepare()
    with rig.receiver() as base:
        merchants = rig.webhooks(WEBHOOKS, base)
        tokens = [services.create_api_key(merchant=merchant).text for merchant in merchants]
        for merchant in merchants:
            load(merchant, options.rows // WEBHOOKS)
        with connection.cursor() as cursor:
            settle(cursor)
        print(f"{Event.objects.count():,} events", flush=True)
        before = measure(tokens, options.runs, options.events)
        print(f"whole: {before}", flush=True)
        partition(options.months)
        after = measure(tokens, options.runs, options.events)
        print(f"in {options.months} parts: {after}", flush=True)
    for name, figures in before.items():
        was, now = (each["cpu_us_by_part"]["postgres"] for each in (figures, after[name]))
        all_was, all_now = figures["cpu_us"], after[name]["cpu_us"]
        print(f"{name}: PostgreSQL {was} -> {now} us an event ({now / was - 1:+.0%}), all {all_was} -> {all_now}")
    rig.report("partitions", {"whole": before, "parts": after})


if __name__ == "__main__":
    main()
