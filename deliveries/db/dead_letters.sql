-- name: mark_dead
-- Closes deliveries as dead, each with its reason.
UPDATE webhooks_deliveries_delivery AS d
SET status = 'dead', due_at = NULL, claim_token = NULL, closed_at = now(), reason_code = r.reason_code,
    reason_values = r.reason_values, last_error = r.error, last_status_code = r.status_code
FROM unnest(
    %(delivery_id)s::bigint[], %(reason_code)s::text[], %(reason_values)s::jsonb[], %(error)s::text[],
    %(status_code)s::int[]
) AS r(delivery_id, reason_code, reason_values, error, status_code)
WHERE d.id = r.delivery_id

-- name: open_dead_letters
-- Opens a dead letter for each of these deliveries that is dead and has none open, from what the row says. The status
-- is asked so that no index on it serves: by the key, not by a walk over all that failed.
INSERT INTO webhooks_deliveries_deadletter
    (delivery_id, merchant_id, webhook_id, reason_code, reason_values, error, status_code, created_at,
     resolution, resolved_by, note)
SELECT d.id, d.merchant_id, d.webhook_id, d.reason_code, d.reason_values, d.last_error, d.last_status_code, now(),
    '', '', ''
FROM webhooks_deliveries_delivery d WHERE d.id = ANY (%(delivery_ids)s::bigint[]) AND d.status || '' = 'dead'
ON CONFLICT (delivery_id) WHERE resolved_at IS NULL DO NOTHING
