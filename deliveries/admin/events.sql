-- name: statuses
-- How many deliveries of each event have which status, of `most` an event. Served by the foreign key's index.
SELECT u.id, d.status, count(*)
FROM unnest(%(event_ids)s::bigint[]) AS u(id)
CROSS JOIN LATERAL (
    SELECT status FROM webhooks_deliveries_delivery WHERE event_id = u.id LIMIT %(most)s) AS d
GROUP BY u.id, d.status
