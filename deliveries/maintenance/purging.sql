-- name: empty_attempts
-- Takes out what attempts hold of requests and answers, where their delivery is closed, and locked here, or gone: no
-- constraint ties an attempt to its delivery, an outcome may be logged while its delivery is purged.
WITH closed AS MATERIALIZED (
    SELECT id FROM webhooks_deliveries_delivery
    WHERE id IN (SELECT delivery_id FROM webhooks_deliveries_attempt WHERE id = ANY (%(keys)s::bigint[]))
      AND due_at IS NULL AND status <> 'dead'
    ORDER BY id FOR UPDATE SKIP LOCKED)
UPDATE webhooks_deliveries_attempt a
SET request_headers = '[]', response_headers = '[]', response_body = ''
WHERE a.id = ANY (%(keys)s::bigint[])
  AND (a.request_headers <> '[]' OR a.response_headers <> '[]' OR a.response_body <> '')
  AND (a.delivery_id IN (SELECT id FROM closed)
       OR NOT EXISTS (SELECT FROM webhooks_deliveries_delivery d WHERE d.id = a.delivery_id))

-- name: delete_attempts
-- Deletes attempts, where their delivery is closed, and locked here, or gone.
WITH closed AS MATERIALIZED (
    SELECT id FROM webhooks_deliveries_delivery
    WHERE id IN (SELECT delivery_id FROM webhooks_deliveries_attempt WHERE id = ANY (%(keys)s::bigint[]))
      AND due_at IS NULL AND status <> 'dead'
    ORDER BY id FOR UPDATE SKIP LOCKED)
DELETE FROM webhooks_deliveries_attempt a
WHERE a.id = ANY (%(keys)s::bigint[])
  AND (a.delivery_id IN (SELECT id FROM closed)
       OR NOT EXISTS (SELECT FROM webhooks_deliveries_delivery d WHERE d.id = a.delivery_id))

-- name: delete_deliveries
-- Deletes deliveries that were closed before a moment, with their dead letters' record, and their attempts unless those
-- go with their parts.
WITH closed AS MATERIALIZED (
    SELECT id FROM webhooks_deliveries_delivery
    WHERE id = ANY (%(keys)s::bigint[]) AND due_at IS NULL AND status <> 'dead'
      AND (closed_at IS NULL OR closed_at < %(before)s::timestamptz)
    ORDER BY id FOR UPDATE SKIP LOCKED
), attempts AS (
    DELETE FROM webhooks_deliveries_attempt a USING closed c WHERE a.delivery_id = c.id AND NOT %(by_part)s::bool
), letters AS (
    DELETE FROM webhooks_deliveries_deadletter l USING closed c WHERE l.delivery_id = c.id
)
DELETE FROM webhooks_deliveries_delivery d USING closed c WHERE d.id = c.id

-- name: empty_events
-- Takes out the data of events of which every delivery is closed, and locked here.
WITH closed AS MATERIALIZED (
    SELECT id, event_id FROM webhooks_deliveries_delivery
    WHERE event_id = ANY (%(keys)s::bigint[]) AND due_at IS NULL AND status <> 'dead'
    ORDER BY id FOR UPDATE SKIP LOCKED)
UPDATE webhooks_deliveries_event e SET data = 'null'
WHERE e.id = ANY (%(keys)s::bigint[]) AND e.data <> 'null'
  AND NOT EXISTS (SELECT FROM webhooks_deliveries_delivery d
                  WHERE d.event_id = e.id AND d.id NOT IN (SELECT id FROM closed))

-- name: delete_events
-- Deletes events of which every delivery is closed, and locked here, with whatever is left of those; attempts as above.
WITH closed AS MATERIALIZED (
    SELECT id, event_id FROM webhooks_deliveries_delivery
    WHERE event_id = ANY (%(keys)s::bigint[]) AND due_at IS NULL AND status <> 'dead'
    ORDER BY id FOR UPDATE SKIP LOCKED
), settled AS MATERIALIZED (
    SELECT old.id FROM unnest(%(keys)s::bigint[]) AS old(id)
    WHERE NOT EXISTS (SELECT FROM webhooks_deliveries_delivery d
                      WHERE d.event_id = old.id AND d.id NOT IN (SELECT id FROM closed))
), gone AS MATERIALIZED (
    SELECT c.id FROM closed c JOIN settled s ON s.id = c.event_id
), attempts AS (
    DELETE FROM webhooks_deliveries_attempt a USING gone g WHERE a.delivery_id = g.id AND NOT %(by_part)s::bool
), letters AS (
    DELETE FROM webhooks_deliveries_deadletter l USING gone g WHERE l.delivery_id = g.id
), rows AS (
    DELETE FROM webhooks_deliveries_delivery d USING gone g WHERE d.id = g.id
)
DELETE FROM webhooks_deliveries_event e USING settled s WHERE e.id = s.id
