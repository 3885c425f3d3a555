-- name: settings
-- What sending to webhooks takes, each with its version as a claim returns it. Secrets come oldest first;
-- those that have ended are left out, whatever a worker's clock says. One reading of the clock, so both arrays agree.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
SELECT w.id, w.merchant_id, m.public_id AS merchant, m.domain, w.public_id AS webhook, w.kind, w.url, w.destination,
    w.sign_in, w.credentials, w.dialect, w.body_style, w.api_version, w.headers, w.retry_policy, w.timeout,
    w.max_in_flight, w.expire_after, w.fields, w.transform, w.ordering,
    w.xmin::text || ' ' || m.xmin::text || ' ' || COALESCE(s.version, '') AS version,
    COALESCE(s.sealed, '{}') AS sealed, COALESCE(s.expires_at, '{}') AS expires_at, s.rotated_at
FROM webhooks_subscriptions_webhook w
JOIN webhooks_subscriptions_merchant m ON m.id = w.merchant_id
LEFT JOIN LATERAL (
    SELECT string_agg(s.id::text || ':' || s.xmin::text, ' ' ORDER BY s.id) AS version,
        array_agg(s.value ORDER BY s.id) FILTER (WHERE (s.expires_at > clock.now) IS NOT FALSE) AS sealed,
        array_agg(s.expires_at ORDER BY s.id) FILTER (WHERE (s.expires_at > clock.now) IS NOT FALSE) AS expires_at,
        CASE WHEN count(*) > 1 THEN max(s.created_at) END AS rotated_at
    FROM webhooks_subscriptions_signingsecret s CROSS JOIN clock WHERE s.webhook_id = w.id) AS s ON true
WHERE w.id = ANY (%(ids)s::bigint[])

-- name: merchants
-- Whose these webhooks are.
SELECT id, merchant_id FROM webhooks_subscriptions_webhook WHERE id = ANY (%(ids)s::bigint[])
