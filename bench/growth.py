"""What the log's size does to the pages that people open: the same merchant at 10 thousand and at 5 million rows.

    python -m tests.services --postgres --valkey -- python -m bench.growth [--rows 5000000] [--runs 5]

Rows are made inside PostgreSQL: events, one delivery each, one attempt each, every 50th dead and in review.
"""

from __future__ import annotations

import argparse
import time

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench import rig
from deliveries.models import DeadLetter, Delivery, Event
from subscriptions import services
from subscriptions.models import Merchant

SMALL = 10_000
WEBHOOKS = 20

_EVENTS = """
    INSERT INTO deliveries_event (public_id, merchant_id, type, data, size, resource_id, occurred_at, created_at)
    SELECT 'evt_' || lpad(n::text, 26, '0'), %(merchant)s, 'order.created',
        '{"order":{"id":"' || n || '","total":"49.99"}}', 40, n::text, t, t
    FROM (SELECT n, now() - (%(last)s - n) * interval '0.5 seconds' AS t
          FROM generate_series(%(first)s, %(last)s) AS n) AS made
"""
_DELIVERIES = """
    INSERT INTO deliveries_delivery (public_id, merchant_id, webhook_id, event_id, event_type, status, reason,
        attempt_count, tries, replays, interruptions, last_status_code, last_error, last_attempt_at, response_ms,
        created_at, closed_at)
    SELECT 'dlv_' || lpad(e.id::text, 26, '0'), e.merchant_id, (%(webhooks)s::bigint[])[1 + e.id %% %(count)s], e.id,
        e.type,
        CASE WHEN e.id %% 50 = 0 THEN 'dead' ELSE 'delivered' END, '', 1, 1, 0, 0,
        CASE WHEN e.id %% 50 = 0 THEN 500 ELSE 200 END, CASE WHEN e.id %% 50 = 0 THEN 'http_error' ELSE '' END,
        e.created_at, 42, e.created_at, e.created_at
    FROM deliveries_event e WHERE e.id > %(after)s
"""
_ATTEMPTS = """
    INSERT INTO deliveries_attempt (public_id, delivery_id, webhook_id, number, result, started_at, answered_at,
        lateness_ms, status_code, error, detail, decision, url, request_headers, request_size, request_digest,
        response_headers, response_body, response_size, response_truncated, total_ms, remote_address,
        reused_connection, worker)
    SELECT 'att_' || lpad(d.id::text, 26, '0'), d.id, d.webhook_id, 1,
        CASE WHEN d.status = 'dead' THEN 'failed' ELSE 'delivered' END, d.created_at, d.created_at + interval '42 ms',
        5, d.last_status_code, d.last_error, '', 'The endpoint answered.', 'https://shop.example.com/hooks', '[]', 100,
        '', '[]', 'ok', 2, false, 42, '192.0.2.1', true, 'bench'
    FROM deliveries_delivery d WHERE d.event_id > %(after)s
"""
_LETTERS = """
    INSERT INTO deliveries_deadletter (delivery_id, merchant_id, webhook_id, reason, error, status_code, created_at,
        resolution, resolved_by, note)
    SELECT d.id, d.merchant_id, d.webhook_id, 'The endpoint answered 500.', 'http_error', 500, d.created_at, '', '', ''
    FROM deliveries_delivery d WHERE d.event_id > %(after)s AND d.status = 'dead'
"""
_COUNTERS = """
    INSERT INTO deliveries_counter (merchant_id, webhook_id, bucket, result, band, count, total_ms)
    SELECT d.merchant_id, d.webhook_id, date_bin('5 minutes', d.created_at, '1970-01-01 00:00+00'), d.status, 4,
        count(*), 42 * count(*)
    FROM deliveries_delivery d WHERE d.event_id > %(after)s GROUP BY 1, 2, 3, 4
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET count = deliveries_counter.count + excluded.count
"""


def grow(merchant: Merchant, webhooks: list[int], to: int) -> None:
    """Bring the log to `to` deliveries."""
    last = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    rows = {"merchant": merchant.pk, "webhooks": webhooks, "count": len(webhooks), "after": last}
    numbers = {"first": last + 1, "last": to}
    with connection.cursor() as cursor:
        for statement in (_EVENTS, _DELIVERIES, _ATTEMPTS, _LETTERS, _COUNTERS):
            cursor.execute(statement, rows | numbers)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")  # what loading left to write is not the pages' to wait for


def pages(merchant: Merchant) -> dict[str, str]:
    """Return what people open, by name."""
    event = Event.objects.filter(merchant=merchant).order_by("-id")[1000]
    delivery = Delivery.objects.filter(merchant=merchant).order_by("-id")[1000]
    return {
        "dashboard": "/admin/",
        "log": "/admin/deliveries/delivery/",
        "log, failed only": "/admin/deliveries/delivery/?outcome=failed",
        "log, last 24 hours": "/admin/deliveries/delivery/?within=24h",
        "log, an order number": "/admin/deliveries/delivery/?q=4711",
        "delivery": f"/admin/deliveries/delivery/{delivery.pk}/change/",
        "event": f"/admin/deliveries/event/{event.pk}/change/",
        "review": "/admin/deliveries/deadletter/",
        "webhooks": "/admin/subscriptions/webhook/",
    }


def measure(client: Client, path: str, runs: int) -> tuple[float, int]:
    """Return the median milliseconds of a page and its queries."""
    took = []
    for _ in range(runs + 1):
        with CaptureQueriesContext(connection) as queries:
            started = time.perf_counter()
            answer = client.get(path, headers={"host": "localhost"})
            took.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return rig.median(took[1:]), len(queries)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    rig.prepare()
    made = services.create_merchant(name="Grown", email="grown@example.com")
    webhooks = [
        services.create_webhook(merchant=made.merchant, url=f"http://127.0.0.1:9/{n}", events=["*"]).webhook.pk
        for n in range(WEBHOOKS)
    ]
    client = Client()
    client.force_login(get_user_model().objects.get(email="grown@example.com"))
    found: dict[str, list[tuple[float, int]]] = {}
    for size in (SMALL, options.rows):
        started = time.monotonic()
        grow(made.merchant, webhooks, size)
        print(
            f"{size:,} deliveries, {DeadLetter.objects.count():,} in review ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        for name, path in pages(made.merchant).items():
            found.setdefault(name, []).append(measure(client, path, options.runs))
    for name, [(small, few), (large, many)] in found.items():
        print(f"{name}: {small:.0f} ms and {few} queries, then {large:.0f} ms and {many}: {large / small:.2f} times")


if __name__ == "__main__":
    main()
