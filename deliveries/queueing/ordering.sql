-- name: take_turns
-- Makes those who advance groups of one webhook go one after the other, until the commit. The heads are looked for in
-- the next statement: its snapshot holds whatever the lock's last owner committed.
SELECT pg_advisory_xact_lock(%(space)s, key) FROM unnest(%(keys)s::int[]) AS key

-- name: heads
-- The first delivery of each group of which none is on its way. Served by delivery_in_group, whose first entry of a
-- group is its head.
SELECT h.id
FROM unnest(%(webhook_id)s::bigint[], %(ordering_group)s::text[]) AS g(webhook_id, ordering_group)
CROSS JOIN LATERAL (
    SELECT d.id FROM webhooks_deliveries_delivery d
    WHERE d.webhook_id = g.webhook_id AND d.ordering_group = g.ordering_group
      AND d.ordering_group IS NOT NULL AND (d.due_at IS NOT NULL OR d.status = 'dead')
    ORDER BY d.webhook_id, d.ordering_group, d.id LIMIT 1) AS h
WHERE NOT EXISTS (
    SELECT 1 FROM webhooks_deliveries_delivery a
    WHERE a.webhook_id = g.webhook_id AND a.ordering_group = g.ordering_group
      AND a.due_at < '9999-01-01 00:00:00+00')

-- name: release
-- Makes held heads due. One in review is no longer open and stays as it is; so does one that was cancelled meanwhile,
-- and whoever did that comes here next. COALESCE keeps delivery_due from serving: by the key, not by a walk over all
-- that is open.
UPDATE webhooks_deliveries_delivery SET due_at = now()
WHERE id = ANY (%(ids)s::bigint[]) AND COALESCE(due_at, now()) = '9999-01-01 00:00:00+00'
RETURNING webhook_id

-- name: ahead
-- What a held delivery of each group waits for: what is on its way, else the head.
SELECT g.webhook_id, g.ordering_group, COALESCE(
    (SELECT a.id FROM webhooks_deliveries_delivery a
     WHERE a.webhook_id = g.webhook_id AND a.ordering_group = g.ordering_group
       AND a.due_at < '9999-01-01 00:00:00+00'),
    (SELECT h.id FROM webhooks_deliveries_delivery h
     WHERE h.webhook_id = g.webhook_id AND h.ordering_group = g.ordering_group
       AND h.ordering_group IS NOT NULL AND (h.due_at IS NOT NULL OR h.status = 'dead')
     ORDER BY h.webhook_id, h.ordering_group, h.id LIMIT 1)) AS id
FROM unnest(%(webhook_id)s::bigint[], %(ordering_group)s::text[]) AS g(webhook_id, ordering_group)

-- name: look
-- The next groups behind (webhook, key), each with whether it stands still: its head is held and nothing is on its way.
-- One probe of delivery_in_group a group, however many deliveries it holds.
WITH RECURSIVE head(nth, webhook_id, ordering_group, due_at) AS (
    SELECT 1, f.webhook_id, f.ordering_group, f.due_at FROM webhooks_deliveries_delivery f
    WHERE f.id = (
        SELECT d.id FROM webhooks_deliveries_delivery d
        WHERE d.ordering_group IS NOT NULL AND (d.due_at IS NOT NULL OR d.status = 'dead')
          AND (d.webhook_id, d.ordering_group) > (%(webhook_id)s, %(ordering_group)s)
        ORDER BY d.webhook_id, d.ordering_group, d.id LIMIT 1)
    UNION ALL
    SELECT head.nth + 1, n.webhook_id, n.ordering_group, n.due_at
    FROM head JOIN webhooks_deliveries_delivery n ON n.id = (
        SELECT d.id FROM webhooks_deliveries_delivery d
        WHERE d.ordering_group IS NOT NULL AND (d.due_at IS NOT NULL OR d.status = 'dead')
          AND (d.webhook_id, d.ordering_group) > (head.webhook_id, head.ordering_group)
        ORDER BY d.webhook_id, d.ordering_group, d.id LIMIT 1)
    WHERE head.nth < %(limit)s
)
SELECT webhook_id, ordering_group, nth, due_at = '9999-01-01 00:00:00+00' AND NOT EXISTS (
    SELECT 1 FROM webhooks_deliveries_delivery a
    WHERE a.webhook_id = head.webhook_id AND a.ordering_group = head.ordering_group
      AND a.due_at < '9999-01-01 00:00:00+00') AS stands_still
FROM head
