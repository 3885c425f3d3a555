-- name: cancel
-- Closes deliveries that are too old to be sent, each with its reason.
UPDATE webhooks_deliveries_delivery AS d
SET status = 'cancelled', reason_code = r.reason_code, reason_values = r.reason_values, due_at = NULL,
    claim_token = NULL, closed_at = now()
FROM unnest(%(id)s::bigint[], %(reason_code)s::text[], %(reason_values)s::jsonb[]) AS r(id, reason_code, reason_values)
WHERE d.id = r.id
