"""Rows of a long log, made inside PostgreSQL: events, one delivery each, one attempt each, every 50th in review."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max

from deliveries.models import Event
from subscriptions.models import Merchant

# Public ids as they are: they begin with the millisecond, which the filters by time go by.
_ULID = """
    CREATE OR REPLACE FUNCTION pg_temp.ulid(t timestamptz, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ',
                1 + (((extract(epoch FROM t) * 1000)::bigint >> (45 - 5 * place)) & 31)::int, 1), '' ORDER BY place)
            || lpad(n::text, 16, '0')
        FROM generate_series(0, 9) AS place
    $$
"""
_EVENTS = """
    INSERT INTO webhooks_deliveries_event (public_id, merchant_id, type, data, size, resource_id, occurred_at,
    created_at) SELECT 'evt_' || pg_temp.ulid(t, n), %(merchant)s, 'order.created',
        '{"order":{"id":"' || n || '","total":"49.99"}}', 40, n::text, t, t
    FROM (SELECT n, now() - (%(last)s - n) * interval '0.5 seconds' AS t
          FROM generate_series(%(first)s, %(last)s) AS n) AS made
"""
_DELIVERIES = """
    INSERT INTO webhooks_deliveries_delivery (merchant_id, webhook_id, event_id, event_type, status, reason_code,
        attempt_count, tries, replays, orphaned_attempts, last_status_code, last_error, last_attempt_at, response_ms,
        created_at, closed_at)
    SELECT e.merchant_id, (%(webhooks)s::bigint[])[1 + e.id %% %(count)s], e.id,
        e.type,
        CASE WHEN e.id %% 50 = 0 THEN 'dead' ELSE 'delivered' END, '', 1, 1, 0, 0,
        CASE WHEN e.id %% 50 = 0 THEN 500 ELSE 200 END, CASE WHEN e.id %% 50 = 0 THEN 'http_error' ELSE '' END,
        e.created_at, 42, e.created_at, e.created_at
    FROM webhooks_deliveries_event e WHERE e.id > %(after)s
"""
_ATTEMPTS = """
    INSERT INTO webhooks_deliveries_attempt (delivery_id, webhook_id, number, result, started_at, answered_at,
        lateness_ms, status_code, error, detail, decision_code, url, request_headers, request_size, request_digest,
        response_headers, response_body, response_size, response_truncated, total_ms, remote_address,
        reused_connection, worker)
    SELECT d.id, d.webhook_id, 1,
        CASE WHEN d.status = 'dead' THEN 'failed' ELSE 'delivered' END, d.created_at, d.created_at + interval '42 ms',
        5, d.last_status_code, d.last_error, '', d.status, 'https://shop.example.com/hooks', '[]', 100,
        '', '[]', 'ok', 2, false, 42, '192.0.2.1', true, 'bench'
    FROM webhooks_deliveries_delivery d WHERE d.event_id > %(after)s
"""
_LETTERS = """
    INSERT INTO webhooks_deliveries_deadletter (delivery_id, merchant_id, webhook_id, reason_code, error, status_code,
        created_at, resolution, resolved_by, note)
    SELECT d.id, d.merchant_id, d.webhook_id, 'final_status', 'http_error', 500, d.created_at, '', '', ''
    FROM webhooks_deliveries_delivery d WHERE d.event_id > %(after)s AND d.status = 'dead'
"""
_COUNTERS = """
    INSERT INTO {table} AS cell (merchant_id, webhook_id, bucket, result, band, count, total_ms)
    SELECT d.merchant_id, d.webhook_id, date_bin('{step}', d.created_at, '1970-01-01 00:00+00'), of.result,
        1 + d.id %% 8, count(*), 42 * count(*)
    FROM webhooks_deliveries_delivery d CROSS JOIN LATERAL (VALUES (d.status), ('lateness')) AS of (result)
    WHERE d.event_id > %(after)s GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET count = cell.count + excluded.count
"""
LOADING = (
    _EVENTS,
    _DELIVERIES,
    _ATTEMPTS,
    _LETTERS,
    _COUNTERS.format(table="webhooks_deliveries_counter", step="5 minutes"),
    _COUNTERS.format(table="webhooks_deliveries_hourcounter", step="1 hour"),
)


def load(merchant: Merchant, count: int) -> None:
    """Add `count` events of this merchant, half a second apart until now, each delivered to one of its webhooks."""
    after = Event.objects.aggregate(last=Max("pk"))["last"] or 0
    webhooks = list(merchant.webhooks.values_list("pk", flat=True))
    rows = {"merchant": merchant.pk, "webhooks": webhooks, "count": len(webhooks), "after": after}
    with connection.cursor() as cursor:
        cursor.execute(_ULID)
        for statement in LOADING:
            cursor.execute(statement, rows | {"first": after + 1, "last": after + count})
