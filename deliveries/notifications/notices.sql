-- name: gather
-- Adds occurrences to the open notice of their webhook and kind, or opens one. Rows come in key order: two writers
-- can't deadlock.
INSERT INTO webhooks_deliveries_notice AS n (merchant_id, webhook_id, kind, count, first_at, last_at, reason, due_at)
SELECT * FROM unnest(
    %(merchant_id)s::bigint[], %(webhook_id)s::bigint[], %(kind)s::text[], %(count)s::int[],
    %(first_at)s::timestamptz[], %(last_at)s::timestamptz[], %(reason)s::text[], %(due_at)s::timestamptz[])
ON CONFLICT (webhook_id, kind) WHERE closed_at IS NULL DO UPDATE SET
    count = n.count + excluded.count,
    first_at = LEAST(n.first_at, excluded.first_at),
    last_at = GREATEST(n.last_at, excluded.last_at),
    reason = excluded.reason
