-- name: publish
-- Stores events, and the deliveries that need no Python: those of enabled webhooks without filter, chosen fields and
-- order. The others come back in `others`; a second statement stores what is decided about them. All of a request's
-- events must stand or fall together: outside a transaction (in_transaction false) the events of a request (`request`
-- numbers it) of which one has others are put off, they come back with id null and nothing of them is stored. An id
-- that the merchant published before stores nothing and doesn't come back.
-- Every step costs the same for each row, also in a batch of a thousand: the sessions forbid hash joins, so what rows
-- of this statement have to do with each other is asked by IN, whose answers are hashed; IS TRUE keeps it from becoming
-- a join. Keys are taken first, so that deliveries need not look for their events.
-- Served by subscription_match and event_once_a_merchant.
WITH input AS MATERIALIZED (
    SELECT i.*, nextval('webhooks_deliveries_event_id_seq') AS id FROM unnest(
        %(public_id)s::text[], %(merchant_id)s::bigint[], %(type)s::text[], %(data)s::text[], %(size)s::int[],
        %(resource_id)s::text[], %(occurred_at)s::timestamptz[], %(patterns)s::text[], %(request)s::int[]
    ) WITH ORDINALITY AS i(public_id, merchant_id, type, data, size, resource_id, occurred_at, patterns, request, nth)
), matched AS MATERIALIZED (
    SELECT DISTINCT i.nth, i.request, i.id AS event_id, i.merchant_id, i.type, w.id AS webhook_id,
        w.is_enabled AND w.filter = '' AND w.fields = '[]' AND w.ordering = '' AS is_plain, w.kind = 'pull' AS is_feed
    FROM input i
    JOIN webhooks_subscriptions_subscription s ON s.merchant_id = i.merchant_id AND s.ended_at IS NULL
        AND s.pattern = ANY (string_to_array(i.patterns, ' '))
    JOIN webhooks_subscriptions_webhook w ON w.id = s.webhook_id AND w.deleted_at IS NULL
), put_off AS MATERIALIZED (
    SELECT DISTINCT request FROM matched WHERE NOT is_plain AND NOT %(in_transaction)s
), stored AS (
    INSERT INTO webhooks_deliveries_event
        (id, public_id, merchant_id, type, data, size, resource_id, occurred_at, created_at)
    SELECT id, public_id, merchant_id, type, data, size, resource_id, occurred_at, now()
    FROM input WHERE request NOT IN (SELECT request FROM put_off) ORDER BY nth
    ON CONFLICT (merchant_id, public_id) DO NOTHING
    RETURNING id
), delivery AS (
    INSERT INTO webhooks_deliveries_delivery
        (merchant_id, webhook_id, event_id, event_type, status, reason_code, due_at, created_at, feed_position)
    SELECT merchant_id, webhook_id, event_id, type, 'pending', '', now(), now(), CASE WHEN is_feed THEN 0 END
    FROM matched WHERE is_plain AND (event_id IN (SELECT id FROM stored)) IS TRUE
    ORDER BY event_id, webhook_id
), told AS (
    SELECT nth, CASE WHEN (id IN (SELECT id FROM stored)) IS TRUE THEN id END AS id,
        (request IN (SELECT request FROM put_off)) IS TRUE AS is_put_off, NULL::bigint AS webhook_id, NULL AS is_plain,
        NULL AS is_feed
    FROM input
    UNION ALL SELECT nth, NULL, NULL, webhook_id, is_plain, is_feed FROM matched
)
SELECT nth - 1 AS position, max(id) AS id, now() AS created_at,
    COALESCE(array_agg(webhook_id) FILTER (WHERE is_plain), '{}') AS plain,
    COALESCE(array_agg(webhook_id) FILTER (WHERE NOT is_plain), '{}') AS others,
    COALESCE(array_agg(webhook_id) FILTER (WHERE is_plain AND is_feed), '{}') AS feeds
FROM told GROUP BY nth HAVING max(id) IS NOT NULL OR bool_or(is_put_off)

-- name: published
-- What stands under ids that were published before. Served by event_once_a_merchant.
SELECT e.merchant_id, e.public_id, e.type, e.data, e.resource_id
FROM unnest(%(merchant_id)s::bigint[], %(public_id)s::text[]) AS i(merchant_id, public_id)
JOIN webhooks_deliveries_event e ON e.merchant_id = i.merchant_id AND e.public_id = i.public_id

-- name: take_turns
-- Lets a merchant's batches that carry ids of their own go one after the other: two that hold the same ids in another
-- order would wait for each other's rows and deadlock, and sorting the rows would change the events' order.
SELECT pg_advisory_xact_lock(%(space)s, mod(%(merchant_id)s::bigint, 2147483647)::int)

-- name: webhooks
-- What decides whether webhooks get an event.
SELECT id, kind, is_enabled, disabled_reason, filter, fields, ordering FROM webhooks_subscriptions_webhook
WHERE id = ANY (%(ids)s::bigint[])

-- name: decided
-- Stores deliveries that Python decided about: skipped ones with their reason, others due, or held in their group.
INSERT INTO webhooks_deliveries_delivery
    (merchant_id, webhook_id, event_id, event_type, ordering_group, status, reason_code, reason_values, feed_position,
     due_at, closed_at, created_at)
SELECT r.*,
    CASE WHEN r.status = 'pending'
        THEN CASE WHEN r.ordering_group IS NULL THEN now() ELSE '9999-01-01 00:00:00+00' END END,
    CASE WHEN r.status <> 'pending' THEN now() END, now()
FROM unnest(
    %(merchant_id)s::bigint[], %(webhook_id)s::bigint[], %(event_id)s::bigint[], %(event_type)s::text[],
    %(ordering_group)s::text[], %(status)s::text[], %(reason_code)s::text[], %(reason_values)s::jsonb[],
    %(feed_position)s::bigint[]
) AS r(merchant_id, webhook_id, event_id, event_type, ordering_group, status, reason_code, reason_values, feed_position)
