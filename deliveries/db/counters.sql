-- name: subtract
-- Takes back what was counted and turned out to be something else. A cell that was purged since is left alone.
WITH fine AS (
    UPDATE webhooks_deliveries_counter c SET count = c.count - o.count
    FROM unnest(
        %(fine_webhook_id)s::bigint[], %(fine_bucket)s::timestamptz[], %(fine_result)s::text[], %(fine_band)s::int[],
        %(fine_count)s::int[]) AS o(webhook_id, bucket, result, band, count)
    WHERE c.webhook_id = o.webhook_id AND c.bucket = o.bucket AND c.result = o.result AND c.band = o.band
      AND c.count >= o.count
)
UPDATE webhooks_deliveries_hourcounter c SET count = c.count - o.count
FROM unnest(
    %(hour_webhook_id)s::bigint[], %(hour_bucket)s::timestamptz[], %(hour_result)s::text[], %(hour_band)s::int[],
    %(hour_count)s::int[]) AS o(webhook_id, bucket, result, band, count)
WHERE c.webhook_id = o.webhook_id AND c.bucket = o.bucket AND c.result = o.result AND c.band = o.band
  AND c.count >= o.count

-- name: add
-- Adds to the cells of five minutes and of the hour. Rows come sorted, so that two writers can't deadlock.
WITH fine AS (
    INSERT INTO webhooks_deliveries_counter AS c (merchant_id, webhook_id, bucket, result, band, count, total_ms)
    SELECT * FROM unnest(
        %(fine_merchant_id)s::bigint[], %(fine_webhook_id)s::bigint[], %(fine_bucket)s::timestamptz[],
        %(fine_result)s::text[], %(fine_band)s::int[], %(fine_count)s::int[], %(fine_total_ms)s::float8[])
    ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
        count = c.count + excluded.count, total_ms = c.total_ms + excluded.total_ms
)
INSERT INTO webhooks_deliveries_hourcounter AS c (merchant_id, webhook_id, bucket, result, band, count, total_ms)
SELECT * FROM unnest(
    %(hour_merchant_id)s::bigint[], %(hour_webhook_id)s::bigint[], %(hour_bucket)s::timestamptz[],
    %(hour_result)s::text[], %(hour_band)s::int[], %(hour_count)s::int[], %(hour_total_ms)s::float8[])
ON CONFLICT (webhook_id, bucket, result, band) DO UPDATE SET
    count = c.count + excluded.count, total_ms = c.total_ms + excluded.total_ms
