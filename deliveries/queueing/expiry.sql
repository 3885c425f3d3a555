-- name: cancel
-- Closes deliveries that are too old to be sent, each with its reason.
UPDATE webhooks_deliveries_delivery AS d
SET status = 'cancelled', reason = r.reason, due_at = NULL, claim_token = NULL, closed_at = now()
FROM unnest(%(id)s::bigint[], %(reason)s::text[]) AS r(id, reason)
WHERE d.id = r.id
