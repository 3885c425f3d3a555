-- name: remember
-- Keeps the digest that was sent last, for each webhook, event type and resource.
INSERT INTO webhooks_deliveries_lastsent (webhook_id, event_type, resource_id, digest, updated_at)
SELECT r.*, now() FROM unnest(
    %(webhook_id)s::bigint[], %(event_type)s::text[], %(resource_id)s::text[], %(digest)s::text[]) AS r
ON CONFLICT (webhook_id, event_type, resource_id) DO UPDATE SET digest = excluded.digest, updated_at = now()
