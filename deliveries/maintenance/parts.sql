-- name: unfinished
-- Deliveries that are open or in review: those whose attempts stay. They are few, and partial indexes have them.
SELECT id FROM webhooks_deliveries_delivery WHERE due_at IS NOT NULL
UNION
SELECT id FROM webhooks_deliveries_delivery WHERE status = 'dead'

-- name: is_analyzed
-- Whether the table of attempts as a whole was analyzed lately; autovacuum does so for its parts only.
SELECT EXISTS (SELECT FROM pg_stat_user_tables
               WHERE relid = to_regclass('webhooks_deliveries_attempt') AND last_analyze > %(since)s::timestamptz)
