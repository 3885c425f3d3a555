-- name: record
-- Writes a chunk of outcomes whose claims are in force: deliveries, attempts, dead letters, the webhooks' state and the
-- counters. The claim token is the fence: a delivery that somebody else closed or claimed meanwhile is left alone, and
-- what doesn't come back is a late outcome. A delivery stands once in a chunk. Rows of state and counters come sorted,
-- so that two recorders can't deadlock. Where no claim was in force nothing is written, unless `counts` says so: state
-- and counters then belong to the transaction of the late outcomes, which the log tells of. A late success leaves
-- another's token on the row that it closes, so closed_at is asked, too; asked for the status 'sending', the planner
-- would walk all open requests by delivery_in_flight.
WITH o AS MATERIALIZED (
    SELECT * FROM unnest(
        %(delivery_id)s::bigint[], %(token)s::bigint[], %(status)s::text[], %(reason_code)s::text[],
        %(reason_values)s::jsonb[],
        %(webhook_id)s::bigint[], %(number)s::int[], %(result)s::text[], %(started_at)s::timestamptz[],
        %(answered_at)s::timestamptz[], %(lateness_ms)s::float8[], %(status_code)s::int[], %(error)s::text[],
        %(detail)s::text[], %(decision_code)s::text[], %(decision_values)s::jsonb[], %(next_at)s::timestamptz[],
        %(url)s::text[],
        %(request_headers)s::text[], %(request_size)s::int[], %(request_sha256)s::bytea[], %(response_headers)s::text[],
        %(response_body)s::bytea[], %(response_size)s::int[], %(response_truncated)s::bool[], %(dns_ms)s::float8[],
        %(connect_ms)s::float8[], %(tls_ms)s::float8[], %(first_byte_ms)s::float8[], %(total_ms)s::float8[],
        %(remote_address)s::text[], %(reused_connection)s::bool[], %(worker)s::text[]
    ) AS o(
        delivery_id, token, status, reason_code, reason_values, webhook_id, number, result, started_at, answered_at,
        lateness_ms,
        status_code, error, detail, decision_code, decision_values, next_at, url, request_headers, request_size,
        request_sha256,
        response_headers, response_body, response_size, response_truncated, dns_ms, connect_ms, tls_ms, first_byte_ms,
        total_ms, remote_address, reused_connection, worker)
), moved AS (
    UPDATE webhooks_deliveries_delivery AS d
    SET status = o.status, due_at = o.next_at, closed_at = CASE WHEN o.next_at IS NULL THEN now() END,
        claim_token = NULL, tries = d.tries + 1, attempt_count = d.attempt_count + 1, orphaned_attempts = 0,
        reason_code = CASE WHEN o.status = 'dead' THEN o.reason_code ELSE '' END,
        reason_values = CASE WHEN o.status = 'dead' THEN o.reason_values END,
        last_status_code = o.status_code, last_error = o.error, last_attempt_at = o.answered_at,
        response_ms = o.total_ms
    FROM o
    WHERE d.id = o.delivery_id AND d.claim_token = o.token AND d.closed_at IS NULL
    RETURNING d.merchant_id, d.ordering_group, o.*
), logged AS (
    INSERT INTO webhooks_deliveries_attempt
        (delivery_id, webhook_id, number, result, started_at, answered_at, lateness_ms, status_code, error, detail,
         decision_code, decision_values, next_at, url, request_headers, request_size, request_digest, request_sha256,
         response_headers, response_body,
         response_size, response_truncated, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, remote_address,
         reused_connection, worker)
    SELECT delivery_id, webhook_id, number, result, started_at, answered_at, lateness_ms, status_code, error, detail,
        decision_code, decision_values, next_at, url, request_headers, request_size, '', request_sha256,
        response_headers, response_body,
        response_size, response_truncated, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, remote_address,
        reused_connection, worker
    FROM moved
), dead AS (
    INSERT INTO webhooks_deliveries_deadletter
        (delivery_id, merchant_id, webhook_id, reason_code, reason_values, error, status_code, created_at, resolution,
         resolved_by, note)
    SELECT delivery_id, merchant_id, webhook_id, reason_code, reason_values, error, status_code, now(), '', '', ''
    FROM moved WHERE status = 'dead'
    ON CONFLICT (delivery_id) WHERE resolved_at IS NULL DO NOTHING
), state AS (
    INSERT INTO webhooks_deliveries_webhookstate AS s
        (webhook_id, "window", failures, failing_since, last_success_at, last_failure_at)
    SELECT u.* FROM unnest(
        %(state_webhook_id)s::bigint[], %(state_window)s::int[], %(state_failures)s::int[],
        %(state_failing_since)s::timestamptz[], %(state_last_success_at)s::timestamptz[],
        %(state_last_failure_at)s::timestamptz[]
    ) AS u(webhook_id, "window", failures, failing_since, last_success_at, last_failure_at)
    WHERE (%(counts)s OR EXISTS (SELECT 1 FROM moved))
    -- One more success of a webhook that fares well changes nothing but the time of the last one, by moments. Left out
    -- here and not by a condition of the update, which locks the row first, and writes that to the log.
      AND NOT EXISTS (
        SELECT 1 FROM webhooks_deliveries_webhookstate k
        WHERE k.webhook_id = u.webhook_id AND k."window" = u."window" AND k.failures = 0 AND k.failing_since IS NULL
          AND u.last_failure_at IS NULL
          AND u.last_success_at < k.last_success_at + %(success_precision)s * interval '1 second')
    -- A chunk that holds a success ends the run of failures; one that holds none lengthens it.
    ON CONFLICT (webhook_id) DO UPDATE SET
        "window" = excluded."window",
        failures = excluded.failures + CASE WHEN excluded.last_success_at IS NULL THEN s.failures ELSE 0 END,
        failing_since = CASE WHEN excluded.last_success_at IS NOT NULL THEN excluded.failing_since
            ELSE COALESCE(s.failing_since, excluded.failing_since) END,
        last_success_at = COALESCE(excluded.last_success_at, s.last_success_at),
        last_failure_at = COALESCE(excluded.last_failure_at, s.last_failure_at)
), fine AS (
    INSERT INTO webhooks_deliveries_counter AS c (merchant_id, webhook_id, bucket, result, band, count, total_ms)
    SELECT * FROM unnest(
        %(fine_merchant_id)s::bigint[], %(fine_webhook_id)s::bigint[], %(fine_bucket)s::timestamptz[],
        %(fine_result)s::text[], %(fine_band)s::int[], %(fine_count)s::int[], %(fine_total_ms)s::float8[])
    WHERE %(counts)s OR EXISTS (SELECT 1 FROM moved)
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
        count = c.count + excluded.count, total_ms = c.total_ms + excluded.total_ms
), hour AS (
    INSERT INTO webhooks_deliveries_hourcounter AS c (merchant_id, webhook_id, bucket, result, band, count, total_ms)
    SELECT * FROM unnest(
        %(hour_merchant_id)s::bigint[], %(hour_webhook_id)s::bigint[], %(hour_bucket)s::timestamptz[],
        %(hour_result)s::text[], %(hour_band)s::int[], %(hour_count)s::int[], %(hour_total_ms)s::float8[])
    WHERE %(counts)s OR EXISTS (SELECT 1 FROM moved)
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
        count = c.count + excluded.count, total_ms = c.total_ms + excluded.total_ms
)
SELECT delivery_id AS id, webhook_id, ordering_group, next_at IS NULL AS is_closed FROM moved

-- name: move_late
-- Moves deliveries on by outcomes that come late. Under a claim that is still in force as always; else a success closes
-- a delivery that is open. A claim that is left is another's: it is sending the row right now, and will find it closed.
UPDATE webhooks_deliveries_delivery AS d
SET status = o.status, due_at = o.next_at, closed_at = CASE WHEN o.next_at IS NULL THEN now() END,
    claim_token = CASE WHEN d.claim_token = o.token THEN NULL ELSE d.claim_token END,
    tries = d.tries + CASE WHEN d.claim_token = o.token THEN 1 ELSE 0 END,
    attempt_count = d.attempt_count + CASE WHEN d.claim_token = o.token THEN 1 ELSE 0 END,
    orphaned_attempts = 0, reason_code = CASE WHEN o.status = 'dead' THEN o.reason_code ELSE '' END,
        reason_values = CASE WHEN o.status = 'dead' THEN o.reason_values END,
    last_status_code = o.status_code, last_error = o.error, last_attempt_at = o.answered_at, response_ms = o.total_ms
FROM unnest(
    %(delivery_id)s::bigint[], %(token)s::bigint[], %(status)s::text[], %(next_at)s::timestamptz[],
    %(reason_code)s::text[], %(reason_values)s::jsonb[], %(status_code)s::int[], %(error)s::text[],
    %(answered_at)s::timestamptz[],
    %(total_ms)s::float8[]
) AS o(delivery_id, token, status, next_at, reason_code, reason_values, status_code, error, answered_at, total_ms)
WHERE d.id = o.delivery_id
  AND ((d.claim_token = o.token AND d.status = 'sending') OR (o.status = 'delivered' AND d.due_at IS NOT NULL))
RETURNING d.id, d.claim_token, d.webhook_id, d.ordering_group, d.due_at IS NULL AS is_closed

-- name: log_attempts
-- The log's lines of late outcomes. Where `id` says which line stood for the attempt, the line keeps its key.
INSERT INTO webhooks_deliveries_attempt
    (id, delivery_id, webhook_id, number, result, started_at, answered_at, lateness_ms, status_code, error, detail,
     decision_code, decision_values, next_at, url, request_headers, request_size, request_digest, request_sha256,
     response_headers, response_body,
     response_size, response_truncated, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, remote_address,
     reused_connection, worker)
SELECT COALESCE(o.id, nextval(pg_get_serial_sequence('webhooks_deliveries_attempt', 'id'))),
    delivery_id, webhook_id, number, result, started_at, answered_at, lateness_ms, status_code, error, detail,
    decision_code, decision_values, next_at, url, request_headers, request_size, '', request_sha256, response_headers,
    response_body,
    response_size, response_truncated, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, remote_address,
    reused_connection, worker
FROM unnest(
    %(id)s::bigint[], %(delivery_id)s::bigint[], %(webhook_id)s::bigint[], %(number)s::int[], %(result)s::text[],
    %(started_at)s::timestamptz[], %(answered_at)s::timestamptz[], %(lateness_ms)s::float8[], %(status_code)s::int[],
    %(error)s::text[], %(detail)s::text[], %(decision_code)s::text[], %(decision_values)s::jsonb[],
    %(next_at)s::timestamptz[], %(url)s::text[],
    %(request_headers)s::text[], %(request_size)s::int[], %(request_sha256)s::bytea[], %(response_headers)s::text[],
    %(response_body)s::bytea[], %(response_size)s::int[], %(response_truncated)s::bool[], %(dns_ms)s::float8[],
    %(connect_ms)s::float8[], %(tls_ms)s::float8[], %(first_byte_ms)s::float8[], %(total_ms)s::float8[],
    %(remote_address)s::text[], %(reused_connection)s::bool[], %(worker)s::text[]) AS o(
    id, delivery_id, webhook_id, number, result, started_at, answered_at, lateness_ms, status_code, error, detail,
    decision_code, decision_values, next_at, url, request_headers, request_size, request_sha256, response_headers,
    response_body,
    response_size, response_truncated, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, remote_address,
    reused_connection, worker)

-- name: take_over
-- Removes the lines that called attempts interrupted whose outcome came after all: an attempt has one line.
DELETE FROM webhooks_deliveries_attempt a
USING unnest(%(delivery_id)s::bigint[], %(number)s::int[]) AS o(delivery_id, number)
WHERE a.delivery_id = o.delivery_id AND a.number = o.number AND a.result = 'interrupted'
RETURNING a.id, a.delivery_id, a.number, a.started_at
