-- name: take_turns
-- First of the claim's two statements, sent together in one transaction: takes turns at webhooks with other claims, and
-- leaves the ids that it got in a setting of the transaction. The open requests are counted by the second statement,
-- whose snapshot holds whatever a turn's last owner committed. Nobody waits: who gets no turn comes again.
SELECT set_config('webhooks.turns', COALESCE(string_agg(t.id::text, ',') FILTER (WHERE t.got), ''), true) AS turns
FROM (
    SELECT u.id, pg_try_advisory_xact_lock(%(space)s, mod(u.id, 2147483647)::int) AS got
    FROM unnest(%(webhook_ids)s::bigint[]) AS u(id)) AS t

-- name: claim
-- Makes due deliveries this process' to send, under a token that is the fence; oldest first, each webhook as many as it
-- has free places (window, cap, rate limit), a merchant `each`, `limit` and about `bytes` of event data in all; every
-- merchant's first before any one's second. Locked rows are skipped. Of a webhook at most `bound` are read, its part of
-- what its merchant may get: every row that is locked and not sent costs a write.
-- Disabled and deleted webhooks give nothing, nor do paused ones but for a probe, nor feeds. The rate limit is the
-- generic cell rate algorithm (ITU-T I.371) with a bucket of one second's worth, kept as a time. What is too old, and
-- claims that ran out (still `sending`), are counted and left to expiry and orphans. A row for each claimed delivery; a
-- webhook without one has a row with id null. Served by delivery_due and delivery_in_flight.
WITH webhook AS MATERIALIZED (
    SELECT w.id, w.merchant_id, ceil(%(each)s::float8 / count(*) OVER (PARTITION BY w.merchant_id)) AS bound,
        w.rate_limit, COALESCE(l."window", 1) AS "window",
        w.xmin::text || ' ' || m.xmin::text || ' ' || COALESCE((
            SELECT string_agg(s.id::text || ':' || s.xmin::text, ' ' ORDER BY s.id)
            FROM webhooks_subscriptions_signingsecret s WHERE s.webhook_id = w.id), '') AS version,
        COALESCE(w.timeout, (%(timeouts)s::jsonb ->> w.dialect)::float8, %(timeout)s) + %(grace)s AS seconds,
        now() - COALESCE(w.expire_after, NULLIF(%(expire_after)s, 0)) * interval '1 second' AS oldest,
        GREATEST(l.blocked_until, now() - (GREATEST(1, w.rate_limit) - 1) / w.rate_limit * interval '1 second')
            AS tokens_since,
        LEAST(COALESCE(l."window", 1), COALESCE(w.max_in_flight, %(cap)s)) - (
            SELECT count(*) FROM webhooks_deliveries_delivery f
            WHERE f.webhook_id = w.id AND f.status = 'sending' AND f.due_at > now()) AS places
    FROM unnest(string_to_array(NULLIF(current_setting('webhooks.turns'), ''), ',')::bigint[]) AS u(id)
    JOIN webhooks_subscriptions_webhook w ON w.id = u.id
    JOIN webhooks_subscriptions_merchant m ON m.id = w.merchant_id
    LEFT JOIN webhooks_deliveries_webhookstate l ON l.webhook_id = w.id
    WHERE w.is_enabled AND w.deleted_at IS NULL AND w.kind <> 'pull' AND (w.paused_at IS NULL OR %(probe)s)
      AND (l.blocked_until IS NULL OR l.blocked_until <= now())
), found AS MATERIALIZED (
    SELECT webhook.id AS webhook_id, webhook.merchant_id, webhook.seconds, d.id, d.event_id, d.was_due,
        d.status = 'sending' AS is_orphaned,
        COALESCE(d.status <> 'sending' AND d.replays = 0 AND d.created_at < webhook.oldest, false) AS is_expired
    FROM webhook CROSS JOIN LATERAL (
        SELECT d.id, d.event_id, d.status, d.replays, d.created_at, d.due_at AS was_due
        FROM webhooks_deliveries_delivery d
        WHERE d.webhook_id = webhook.id AND d.due_at <= now()
        ORDER BY d.due_at, d.id
        LIMIT GREATEST(0, LEAST(webhook.bound, webhook.places, CASE WHEN webhook.rate_limit IS NOT NULL THEN
            floor(EXTRACT(EPOCH FROM now() - webhook.tokens_since) * webhook.rate_limit + 1e-9)::bigint + 1 END))
        FOR NO KEY UPDATE SKIP LOCKED) AS d
), in_turn AS MATERIALIZED (
    SELECT f.*, row_number() OVER (PARTITION BY f.merchant_id ORDER BY f.was_due, f.id) AS turn
    FROM found f WHERE NOT f.is_orphaned AND NOT f.is_expired
), chosen AS MATERIALIZED (
    SELECT t.*, row_number() OVER (ORDER BY t.turn, t.was_due, t.id) AS nth,
        sum(e.size) OVER (ORDER BY t.turn, t.was_due, t.id ROWS UNBOUNDED PRECEDING) AS bytes
    FROM in_turn t JOIN webhooks_deliveries_event e ON e.id = t.event_id WHERE COALESCE(t.turn <= %(each)s::int, true)
), claimed AS (
    UPDATE webhooks_deliveries_delivery d
    SET status = 'sending', claim_token = %(token)s, claimed_at = now(),
        due_at = now() + c.seconds * interval '1 second'
    FROM chosen c
    WHERE d.id = c.id AND c.nth <= %(limit)s AND (c.nth = 1 OR c.bytes <= %(bytes)s)
    RETURNING d.id, d.webhook_id, d.event_id, d.attempt_count, d.tries, d.orphaned_attempts, c.was_due,
        c.nth, d.due_at AS expires_at
), charged AS (
    INSERT INTO webhooks_deliveries_webhookstate AS l (webhook_id, blocked_until)
    SELECT w.id, w.tokens_since + t.taken / w.rate_limit * interval '1 second'
    FROM webhook w
    JOIN (SELECT webhook_id, count(*) AS taken FROM claimed GROUP BY webhook_id) AS t ON t.webhook_id = w.id
    WHERE w.rate_limit IS NOT NULL ORDER BY w.id
    ON CONFLICT (webhook_id) DO UPDATE SET blocked_until = excluded.blocked_until
    RETURNING webhook_id, blocked_until
), told AS MATERIALIZED (
    SELECT w.id, w.version, w."window", EXTRACT(EPOCH FROM charged.blocked_until - now())::float8 AS wait,
        COALESCE((SELECT count(*) FROM found f WHERE f.webhook_id = w.id) >= w.bound, false) AS has_more,
        (SELECT count(*) FROM found f WHERE f.webhook_id = w.id AND f.is_orphaned) AS orphaned,
        (SELECT count(*) FROM found f WHERE f.webhook_id = w.id AND f.is_expired) AS expired
    FROM webhook w LEFT JOIN charged ON charged.webhook_id = w.id
)
SELECT w.id AS webhook_id, w.version, w."window", now() AS now, w.wait, w.has_more, w.orphaned, w.expired,
    d.id, d.attempt_count, d.tries, d.orphaned_attempts, d.was_due, d.expires_at,
    e.public_id AS event_id, e.type, e.data, e.resource_id, e.occurred_at, e.size
FROM told w
LEFT JOIN claimed d ON d.webhook_id = w.id
LEFT JOIN webhooks_deliveries_event e ON e.id = d.event_id
ORDER BY d.nth

-- name: release
-- Gives claimed rows back unsent, due as they were or later; under their token, so that nobody else's claim is undone.
UPDATE webhooks_deliveries_delivery AS d
SET status = CASE WHEN d.tries + d.replays > 0 THEN 'retrying' ELSE 'pending' END, claim_token = NULL, due_at = r.due_at
FROM unnest(%(id)s::bigint[], %(token)s::bigint[], %(due_at)s::timestamptz[]) AS r(id, token, due_at)
WHERE d.id = r.id AND d.claim_token = r.token

-- name: due_webhooks
-- The webhooks with something due: those that may send, and those that are off, whose open rows are to be closed;
-- no feeds, which send nothing, and none that have no place free: who frees one looks for what is due, and a claim
-- whose worker died frees one by running out. One probe of delivery_due a webhook, which the order asks for, however
-- many rows are open: DISTINCT would read them all, and so would an EXISTS beside an OR. What is in flight is counted
-- last, above the join that it needs, and so only for webhooks with something due. What is held behind a delivery in
-- review never gets due: where the webhook is off, it is closed, too.
WITH RECURSIVE open(webhook_id) AS (
    SELECT (SELECT d.webhook_id FROM webhooks_deliveries_delivery d WHERE d.due_at IS NOT NULL
            ORDER BY d.webhook_id, d.due_at LIMIT 1)
    UNION ALL
    SELECT (SELECT d.webhook_id FROM webhooks_deliveries_delivery d
            WHERE d.due_at IS NOT NULL AND d.webhook_id > open.webhook_id
            ORDER BY d.webhook_id, d.due_at LIMIT 1)
    FROM open WHERE open.webhook_id IS NOT NULL
)
SELECT w.id, w.is_enabled AND w.deleted_at IS NULL AS may_send
FROM open
JOIN webhooks_subscriptions_webhook w ON w.id = open.webhook_id
LEFT JOIN webhooks_deliveries_webhookstate l ON l.webhook_id = w.id
WHERE (NOT w.is_enabled OR w.deleted_at IS NOT NULL
       OR (w.kind <> 'pull' AND w.paused_at IS NULL AND (l.blocked_until IS NULL OR l.blocked_until <= now())
           AND LEAST(COALESCE(l."window", 1), COALESCE(w.max_in_flight, %(cap)s)) > (
               SELECT count(*) FROM webhooks_deliveries_delivery f
               WHERE f.webhook_id = w.id AND f.status = 'sending' AND f.due_at > now())))
  AND ((SELECT min(d.due_at) FROM webhooks_deliveries_delivery d
        WHERE d.webhook_id = open.webhook_id AND d.due_at IS NOT NULL) <= now()
       OR ((NOT w.is_enabled OR w.deleted_at IS NOT NULL) AND (
           SELECT max(d.due_at) FROM webhooks_deliveries_delivery d
           WHERE d.webhook_id = open.webhook_id AND d.due_at IS NOT NULL) = '9999-01-01 00:00:00+00'))

-- name: still_due
-- Those of these webhooks that have something due; asked after a commit that freed places. One probe of delivery_due a
-- webhook, which the order asks for: an EXISTS may be served by delivery_of_webhook, and read all that it ever sent.
SELECT u.id FROM unnest(%(webhook_ids)s::bigint[]) AS u(id) CROSS JOIN LATERAL (
    SELECT 1 FROM webhooks_deliveries_delivery d WHERE d.webhook_id = u.id AND d.due_at <= now()
    ORDER BY d.due_at LIMIT 1) AS due
