-- name: ask
-- Begins a page: locks the webhook's feed until the commit, so that of two consumers at once the second finds what the
-- first was given, and notes that somebody asked.
INSERT INTO webhooks_deliveries_webhookstate AS s (webhook_id, feed_asked_at) VALUES (%(webhook_id)s::bigint, now())
ON CONFLICT (webhook_id) DO UPDATE SET feed_asked_at = now()
RETURNING s.feed_position, s.feed_acknowledged, now() AS now

-- name: give
-- Gives the next places of a feed to deliveries that have none, in the order of their keys: as many as a page after the
-- cursor lacks. Places follow the order in which rows are seen, so one whose transaction commits late comes later, and
-- none is passed over. `feed_position <= 0` instead of `= 0`: only then delivery_in_feed alone has the order.
WITH given AS (
    SELECT count(*) AS count FROM (
        SELECT 1 FROM webhooks_deliveries_delivery d
        WHERE d.webhook_id = %(webhook_id)s::bigint AND d.feed_position > 0 AND d.feed_position > %(after)s::bigint
          AND (d.due_at IS NOT NULL OR d.status = 'delivered')
        ORDER BY d.feed_position LIMIT %(limit)s::bigint) AS g
), new AS (
    SELECT d.id FROM webhooks_deliveries_delivery d
    WHERE d.webhook_id = %(webhook_id)s::bigint AND d.feed_position <= 0 AND d.due_at IS NOT NULL
    ORDER BY d.feed_position, d.id LIMIT (SELECT %(limit)s::bigint - count FROM given)
    FOR NO KEY UPDATE
), numbered AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY id) AS nth FROM new
), placed AS (
    UPDATE webhooks_deliveries_delivery d SET feed_position = %(position)s::bigint + n.nth, claimed_at = now()
    FROM numbered n WHERE d.id = n.id
)
UPDATE webhooks_deliveries_webhookstate s SET feed_position = s.feed_position + n.count
FROM (SELECT count(*) AS count FROM numbered) AS n WHERE s.webhook_id = %(webhook_id)s::bigint AND n.count > 0

-- name: page
-- What a feed gave after a place, in order: what is open, and what was delivered for whoever reads it once more; up to
-- `limit` deliveries and about `bytes` of event data, one at least.
SELECT * FROM (
    SELECT d.id, d.feed_position, d.attempt_count, d.tries, d.claimed_at, d.due_at, e.public_id AS event_id, e.type,
        e.data, e.resource_id, e.occurred_at, e.size, row_number() OVER w AS nth, sum(e.size) OVER w AS bytes
    FROM (
        SELECT * FROM webhooks_deliveries_delivery d
        WHERE d.webhook_id = %(webhook_id)s::bigint AND d.feed_position > 0 AND d.feed_position > %(after)s::bigint
          AND (d.due_at IS NOT NULL OR d.status = 'delivered')
        ORDER BY d.feed_position LIMIT %(limit)s::bigint) AS d
    JOIN webhooks_deliveries_event e ON e.id = d.event_id
    WINDOW w AS (ORDER BY d.feed_position)) AS p
WHERE p.nth = 1 OR p.bytes <= %(bytes)s::bigint
ORDER BY p.feed_position

-- name: take
-- Takes deliveries of a feed, by their places, under the token that a record asks for: its place. What was closed
-- meanwhile, or given a new place by a replay, doesn't come back.
UPDATE webhooks_deliveries_delivery d SET claim_token = d.feed_position
FROM webhooks_deliveries_event e
WHERE e.id = d.event_id AND d.due_at IS NOT NULL AND d.id IN (
    SELECT o.id FROM webhooks_deliveries_delivery o
    WHERE o.webhook_id = %(webhook_id)s::bigint AND o.feed_position > 0 AND o.due_at IS NOT NULL
      AND o.feed_position >= %(first)s::bigint AND o.feed_position <= %(last)s::bigint
    ORDER BY o.id FOR NO KEY UPDATE)
RETURNING d.id, d.feed_position, d.attempt_count, d.tries, d.claimed_at, d.due_at, e.public_id AS event_id, e.type,
    '' AS data, e.resource_id, e.occurred_at, e.size

-- name: acknowledge
-- Notes up to which place a feed was acknowledged.
UPDATE webhooks_deliveries_webhookstate SET feed_acknowledged = GREATEST(feed_acknowledged, %(position)s::bigint)
WHERE webhook_id = %(webhook_id)s::bigint

-- name: with_news
-- Those of these webhooks whose feed has something to give, or that are off, which whoever waits must hear of.
SELECT w.id FROM unnest(%(webhook_ids)s::bigint[]) AS u(id) JOIN webhooks_subscriptions_webhook w ON w.id = u.id
WHERE NOT w.is_enabled OR w.deleted_at IS NOT NULL
   OR (w.paused_at IS NULL AND EXISTS (
       SELECT 1 FROM webhooks_deliveries_delivery d
       WHERE d.webhook_id = w.id AND d.feed_position <= 0 AND d.due_at IS NOT NULL))

-- name: expired
-- The feeds with something too old to be given (`webhook_id`: of this webhook only). One probe of delivery_in_feed a
-- feed, however long it is, and one of delivery_due, which the order asks for.
WITH RECURSIVE feed(webhook_id) AS (
    SELECT COALESCE(%(webhook_id)s::bigint, (
        SELECT min(d.webhook_id) FROM webhooks_deliveries_delivery d
        WHERE d.feed_position IS NOT NULL AND (d.feed_position > 0 OR d.due_at IS NOT NULL)))
    UNION ALL
    SELECT (SELECT min(d.webhook_id) FROM webhooks_deliveries_delivery d
            WHERE d.feed_position IS NOT NULL AND (d.feed_position > 0 OR d.due_at IS NOT NULL)
              AND d.webhook_id > feed.webhook_id)
    FROM feed WHERE feed.webhook_id IS NOT NULL AND %(webhook_id)s::bigint IS NULL
)
SELECT w.id FROM feed
JOIN webhooks_subscriptions_webhook w ON w.id = feed.webhook_id
CROSS JOIN LATERAL (
    SELECT now() - COALESCE(w.expire_after, NULLIF(%(expire_after)s, 0)) * interval '1 second' AS oldest) AS o
CROSS JOIN LATERAL (
    SELECT 1 FROM webhooks_deliveries_delivery d
    WHERE d.webhook_id = w.id AND d.due_at < o.oldest AND d.replays = 0 AND d.created_at < o.oldest
    ORDER BY d.due_at LIMIT 1) AS expired
WHERE w.is_enabled AND w.deleted_at IS NULL AND w.paused_at IS NULL
