-- name: figures
-- What a list of webhooks shows of each: attempts of the last day and deliveries that ended, failures in a row, when
-- its endpoint was last asked, and how many deliveries wait, up to `most`. Served by hour_counter_cell, the states' key
-- and delivery_due, a probe a webhook.
SELECT u.id, COALESCE(day.delivered, 0)::bigint, COALESCE(day.attempts, 0)::bigint,
    COALESCE(day.dead, 0)::bigint, COALESCE(s.failures, 0),
    GREATEST(s.last_success_at, s.last_failure_at), waiting.count
FROM unnest(%(webhook_ids)s::bigint[]) AS u(id)
LEFT JOIN webhooks_deliveries_webhookstate s ON s.webhook_id = u.id
CROSS JOIN LATERAL (
    SELECT sum(c.count) FILTER (WHERE c.result = 'delivered') AS delivered, sum(c.count) AS attempts,
        sum(c.count) FILTER (WHERE c.result = 'dead') AS dead
    FROM webhooks_deliveries_hourcounter c
    WHERE c.webhook_id = u.id AND c.bucket >= now() - interval '1 day' AND c.result = ANY(%(results)s::text[])) AS day
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT 1 FROM webhooks_deliveries_delivery d
        WHERE d.webhook_id = u.id AND d.due_at IS NOT NULL LIMIT %(most)s) AS one) AS waiting
