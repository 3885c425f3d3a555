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
-- go with their parts: then what quotes the event is taken out of them.
WITH closed AS MATERIALIZED (
    SELECT id, attempt_count > (status = 'delivered')::int AS failed FROM webhooks_deliveries_delivery
    WHERE id = ANY (%(keys)s::bigint[]) AND due_at IS NULL AND status <> 'dead'
      AND (closed_at IS NULL OR closed_at < %(before)s::timestamptz)
    ORDER BY id FOR UPDATE SKIP LOCKED
), attempts AS (
    DELETE FROM webhooks_deliveries_attempt a USING closed c WHERE a.delivery_id = c.id AND NOT %(by_part)s::bool
), details AS (
    UPDATE webhooks_deliveries_attempt a SET detail = q.instead
    FROM closed c CROSS JOIN jsonb_to_recordset(%(details)s::jsonb) AS q(error text, beginning text, instead text)
    WHERE %(by_part)s::bool AND c.failed AND a.delivery_id = c.id AND a.error = q.error
      AND starts_with(a.detail, q.beginning) AND a.detail <> q.instead
), letters AS (
    DELETE FROM webhooks_deliveries_deadletter l USING closed c WHERE l.delivery_id = c.id
)
DELETE FROM webhooks_deliveries_delivery d USING closed c WHERE d.id = c.id

-- name: empty_events
-- Takes out the data of events of which every delivery is closed, and locked here, and what quotes it: what a filter
-- gave or complained of, and why an attempt had no message. A delivery that its only attempt brought quotes nothing.
WITH closed AS MATERIALIZED (
    SELECT id, event_id, reason_code, attempt_count > (status = 'delivered')::int AS failed
    FROM webhooks_deliveries_delivery
    WHERE event_id = ANY (%(keys)s::bigint[]) AND due_at IS NULL AND status <> 'dead'
    ORDER BY id FOR UPDATE SKIP LOCKED
), settled AS MATERIALIZED (
    SELECT old.id FROM unnest(%(keys)s::bigint[]) AS old(id)
    WHERE NOT EXISTS (SELECT FROM webhooks_deliveries_delivery d
                      WHERE d.event_id = old.id AND d.id NOT IN (SELECT id FROM closed))
), reasons AS (
    UPDATE webhooks_deliveries_delivery d
    SET reason_values = d.reason_values || (%(reasons)s::jsonb -> d.reason_code)
    FROM closed c JOIN settled s ON s.id = c.event_id
    WHERE d.id = c.id AND %(reasons)s::jsonb ? c.reason_code
      AND NOT d.reason_values @> (%(reasons)s::jsonb -> d.reason_code)
), details AS (
    UPDATE webhooks_deliveries_attempt a SET detail = q.instead
    FROM closed c JOIN settled s ON s.id = c.event_id
    CROSS JOIN jsonb_to_recordset(%(details)s::jsonb) AS q(error text, beginning text, instead text)
    WHERE c.failed AND a.delivery_id = c.id AND a.error = q.error AND starts_with(a.detail, q.beginning)
      AND a.detail <> q.instead
)
UPDATE webhooks_deliveries_event e SET data = 'null' FROM settled s WHERE e.id = s.id AND e.data <> 'null'

-- name: delete_events
-- Deletes events of which every delivery is closed, and locked here, with whatever is left of those; attempts as above.
WITH closed AS MATERIALIZED (
    SELECT id, event_id, attempt_count > (status = 'delivered')::int AS failed FROM webhooks_deliveries_delivery
    WHERE event_id = ANY (%(keys)s::bigint[]) AND due_at IS NULL AND status <> 'dead'
    ORDER BY id FOR UPDATE SKIP LOCKED
), settled AS MATERIALIZED (
    SELECT old.id FROM unnest(%(keys)s::bigint[]) AS old(id)
    WHERE NOT EXISTS (SELECT FROM webhooks_deliveries_delivery d
                      WHERE d.event_id = old.id AND d.id NOT IN (SELECT id FROM closed))
), gone AS MATERIALIZED (
    SELECT c.id, c.failed FROM closed c JOIN settled s ON s.id = c.event_id
), attempts AS (
    DELETE FROM webhooks_deliveries_attempt a USING gone g WHERE a.delivery_id = g.id AND NOT %(by_part)s::bool
), details AS (
    UPDATE webhooks_deliveries_attempt a SET detail = q.instead
    FROM gone g CROSS JOIN jsonb_to_recordset(%(details)s::jsonb) AS q(error text, beginning text, instead text)
    WHERE %(by_part)s::bool AND g.failed AND a.delivery_id = g.id AND a.error = q.error
      AND starts_with(a.detail, q.beginning) AND a.detail <> q.instead
), letters AS (
    DELETE FROM webhooks_deliveries_deadletter l USING gone g WHERE l.delivery_id = g.id
), rows AS (
    DELETE FROM webhooks_deliveries_delivery d USING gone g WHERE d.id = g.id
)
DELETE FROM webhooks_deliveries_event e USING settled s WHERE e.id = s.id
