-- name: take_back
-- Makes claims that ran out due again, as they were due: their worker died, or lost the database. Locked rows are
-- skipped: somebody is recording or closing them at this moment. Served by delivery_in_flight.
UPDATE webhooks_deliveries_delivery d
SET status = 'retrying', claim_token = NULL, orphaned_attempts = d.orphaned_attempts + 1,
    attempt_count = d.attempt_count + 1
FROM (
    SELECT o.id, o.due_at, w.url, w.expire_after FROM webhooks_deliveries_delivery o
    JOIN webhooks_subscriptions_webhook w ON w.id = o.webhook_id
    WHERE o.webhook_id = ANY (%(webhook_ids)s::bigint[]) AND o.status = 'sending' AND o.due_at <= now()
    ORDER BY o.id LIMIT %(limit)s FOR NO KEY UPDATE OF o SKIP LOCKED) AS o
WHERE d.id = o.id
RETURNING d.id, d.merchant_id, d.webhook_id, d.ordering_group, d.attempt_count, d.orphaned_attempts, d.replays,
    d.created_at, d.claimed_at, o.due_at AS was_due, o.url, o.expire_after, now() AS now

-- name: paused_webhooks
-- The paused webhooks with a claim that ran out. Reads what is in flight, by delivery_in_flight.
SELECT DISTINCT w.id FROM webhooks_deliveries_delivery d JOIN webhooks_subscriptions_webhook w ON w.id = d.webhook_id
WHERE d.status = 'sending' AND d.due_at <= now() AND w.paused_at IS NOT NULL AND w.is_enabled AND w.deleted_at IS NULL
