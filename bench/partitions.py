"""What attempts in parts cost and spare: the same traffic and questions on a whole table and on one in parts, by turns.

    python -m tests.support.services --postgres --valkey --fsync -- \
        python -m bench.partitions [--attempts 20000000] [--parts 13] [--runs 3] [--events 1500]

Two databases of one server hold the same rows, in parts as `manage.py partition_attempts` makes them. Those of traffic
are of one event, published over REST and delivered by one worker: CPU of PostgreSQL and of all processes. Questions are
those of the engine and the pages that read attempts: milliseconds of planning and of execution, and pages of 8 KiB.
At last the oldest part's rows go: in batches from the whole table, at once from the one in parts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.utils import timezone

from bench import clients, log_rows, rig
from bench.statements import SHAPES, run
from deliveries.db import attempt_parts, merged_pages
from deliveries.db.arrays import literal
from deliveries.db.merged_pages import MergedRows
from deliveries.maintenance import parts, parts_conversion, purging, retention
from deliveries.models import Attempt, Delivery
from subscriptions import services
from subscriptions.admin.scoping import only
from subscriptions.models import Merchant, Webhook

WEBHOOKS = 10
EACH = 10
"""Attempts of a delivery, a tenth of the time that is kept after the one before: in as many parts as may be."""
TIMES = 20
"""A question is asked, for its median."""
FORMS = ("whole", "parts")

# A delivery's attempts of one number come after all of the number before.
_ATTEMPTS = """
    INSERT INTO webhooks_deliveries_attempt (delivery_id, webhook_id, number, result, started_at, answered_at,
        lateness_ms, status_code, error, detail, decision_code, url, request_headers, request_size, request_digest,
        response_headers, response_body, response_size, response_truncated, total_ms, remote_address,
        reused_connection, worker)
    SELECT d.id, d.webhook_id, %(number)s, 'failed', sent, sent + interval '42 ms',
        5, 500, 'http_error', '', 'awaits_retry', 'https://shop.example.com/hooks', repeat('h', 150), 100,
        '', repeat('h', 150), repeat('b', 100)::bytea, 100, false, 42, '192.0.2.1', true, 'bench'
    FROM webhooks_deliveries_delivery d, LATERAL (SELECT
        now() - interval '91 days' * (1 - (%(number)s - 1 + d.id / %(last)s::float8) / %(each)s) AS sent) AS at
    ORDER BY d.id
"""


def load(form: str, attempts: int, count: int) -> None:
    """Fill this process' database: events and deliveries, and so many attempts of each."""
    rig.prepare()
    merchants = rig.webhooks(WEBHOOKS, os.environ["BENCH_RECEIVER"])
    deliveries = attempts // EACH
    if form == "parts":
        setattr(parts, "KEYS_MIN", attempts // count + 1)  # noqa: B010 - a constant of the product's
        parts_conversion.to_parts(print)
        parts.make(1 + parts.AHEAD * parts.KEYS_MIN, parts.KEYS_MIN, count)
    loading = tuple(each for each in log_rows.LOADING if "_attempt " not in each)
    setattr(log_rows, "LOADING", loading)  # noqa: B010
    for merchant in merchants:
        log_rows.load(merchant, deliveries // WEBHOOKS)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE webhooks_deliveries_delivery SET status = 'delivered' WHERE status = 'dead' AND id % 40 > 0"
        )
        for number in range(1, EACH + 1):
            cursor.execute(_ATTEMPTS, {"number": number, "last": deliveries, "each": EACH})
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    found = attempt_parts.read()
    print(f"{form}: {Attempt.objects.count():,} attempts, {len(found.ranges) if found else 0} parts", flush=True)


def traffic(events: int) -> dict[str, Any]:
    """Return the figures of each shape of traffic, once."""
    tokens = [services.create_api_key(merchant=merchant).text for merchant in Merchant.objects.all()]
    with clients.server() as port, rig.workers(1):
        run(port, tokens, SHAPES[0], 400)  # warms up
        return {shape.name: run(port, tokens, shape, events) for shape in SHAPES}


def questions() -> dict[str, Any]:
    """Return what each question takes."""
    some = list(Delivery.objects.order_by("pk").values_list("pk", flat=True)[5000:6000])
    of_one = Attempt.objects.filter(delivery_id=some[0])
    webhook = Delivery.objects.get(pk=some[0]).webhook_id
    asked = {
        "a delivery's page": of_one.order_by("-id")[:50],
        "attempts of a page of deliveries": Attempt.objects.filter(delivery_id__in=some[:50])
        .only("number")
        .order_by("id"),
        "a webhook's last attempts": only(Attempt.objects.all(), "webhook_id", webhook).order_by("webhook_id", "-id")[
            :60
        ],
        "an attempt by its key": Attempt.objects.filter(pk=of_one.latest("pk").pk),
        "was it recorded (100 deliveries)": Attempt.objects.filter(delivery_id__in=some[:100], worker="x").only(
            "number"
        ),
    }
    found = {name: _asked(*query.query.sql_with_params()) for name, query in asked.items()}
    began = time.monotonic()
    for _time in range(TIMES):
        every = MergedRows("webhook_id", list(Webhook.objects.values_list("pk", flat=True)))
        merged_pages.first(Attempt.objects.all(), every, descending=True, limit=101)
    found["a page of the requests of ten webhooks"] = {"ms": round((time.monotonic() - began) / TIMES * 1000, 2)}
    delete = purging._SQL["delete_deliveries"]
    for by_part in (False, True) if attempt_parts.read() else (False,):
        name = "purge 1,000 deliveries" + (", attempts left to parts" if by_part else ", with their attempts")
        found[name] = _asked(delete, {"keys": literal(some), "before": timezone.now(), "by_part": by_part}, times=3)
    return found


def _asked(sql: str, parameters: Any, *, times: int = TIMES) -> dict[str, float]:
    plans = []
    for _time in range(times):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", parameters)
            [(plan,)] = cursor.fetchall()
            plans.append((json.loads(plan) if isinstance(plan, str) else plan)[0])
            transaction.set_rollback(True)
    blocks = ("Shared Hit Blocks", "Shared Read Blocks")
    return {
        "planning_ms": rig.median([plan["Planning Time"] for plan in plans]),
        "execution_ms": rig.median([plan["Execution Time"] for plan in plans]),
        "pages": rig.median([sum(plan["Plan"][block] for block in blocks) for plan in plans]),
    }


def going(attempts: int, count: int) -> dict[str, Any]:
    """Let a part's share of the rows go, as housekeeping does; return what that took."""
    # Not to the day: an hour that a part must be older than old, and what of the next is old already.
    oldest = Attempt.objects.order_by("pk").values_list("started_at", flat=True)[attempts // count]
    days = (timezone.now() - oldest - 2 * parts.SETTLED) / timedelta(days=1)
    setattr(retention.Kind, "before", lambda _kind: timezone.now() - timedelta(days=days))  # noqa: B010
    [kind] = [each for each in retention.kinds() if each.name == "attempts"]
    before = Attempt.objects.count()
    began = time.monotonic()
    if found := attempt_parts.read():
        first = found.ranges[1]
        stays = parts._stays(first)
        began = time.monotonic()
        parts._drop(first, found.ranges[0], stays)
        return {
            "rows": before - Attempt.objects.count(),
            "seconds": round(time.monotonic() - began, 2),
            "stay": len(stays),
        }
    while time.monotonic() - began < 120:
        for step in retention.purge(kind):
            if time.monotonic() - began > 120 or not step:
                break
        else:
            break
    seconds = time.monotonic() - began
    return {"rows": before - Attempt.objects.count(), "seconds": round(seconds, 2)}


# --- two databases, a process of this module's for each step ----------------------------------------------------------


def _step(form: str, step: str, options: argparse.Namespace, receiver: str) -> Any:
    given = urlsplit(os.environ["DATABASE_URL"])
    url = given._replace(path=f"{given.path}_{form}").geturl()
    command = [sys.executable, "-m", "bench.partitions", "--step", step, "--form", form]
    for name in ("attempts", "parts", "events"):
        command += [f"--{name}", str(getattr(options, name))]
    ended = subprocess.run(
        command,
        env=os.environ | {"DATABASE_URL": url, "BENCH_RECEIVER": receiver},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    *told, last = ended.stdout.splitlines()
    print("\n".join(told), flush=True)
    return json.loads(last)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--attempts", type=int, default=20_000_000)
    parser.add_argument("--parts", type=int, default=13)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--events", type=int, default=1500)
    parser.add_argument(
        "--step", choices=("load", "traffic", "questions", "going"), help="of one database; used by itself"
    )
    parser.add_argument("--form", choices=FORMS)
    options = parser.parse_args()
    if options.step:
        done: Any = {
            "load": lambda: load(options.form, options.attempts, options.parts),
            "traffic": lambda: traffic(options.events),
            "questions": questions,
            "going": lambda: going(options.attempts, options.parts),
        }[options.step]()
        print(json.dumps(done), flush=True)
        return
    name = str(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        for form in FORMS:
            cursor.execute(f"CREATE DATABASE {attempt_parts.name(f'{name}_{form}')}")
    with rig.receiver() as base:
        for form in FORMS:
            _step(form, "load", options, base)
        found: dict[str, list[Any]] = {form: [] for form in FORMS}
        for number in range(options.runs):
            for form in FORMS if number % 2 == 0 else FORMS[::-1]:
                found[form].append(_step(form, "traffic", options, base))
                print(f"{form}: {found[form][-1]}", flush=True)
        told: dict[str, Any] = {form: rig.medians(found[form]) for form in FORMS}
        asked = {form: _step(form, "questions", options, base) for form in FORMS}
        gone = {form: _step(form, "going", options, base) for form in FORMS}
    for shape in SHAPES:
        was, now = (told[form][shape.name]["cpu_us_by_part"]["postgres"] for form in FORMS)
        all_was, all_now = (told[form][shape.name]["cpu_us"] for form in FORMS)
        print(f"{shape.name}: PostgreSQL {was} -> {now} us an event ({now / was - 1:+.0%}), all {all_was} -> {all_now}")
    for form in FORMS:
        for question, took in asked[form].items():
            print(f"{form}: {question}: {took}")
        print(f"{form}: a part's rows go: {gone[form]}")
    rig.report("partitions", {"traffic": told, "questions": asked, "gone": gone})


if __name__ == "__main__":
    main()
