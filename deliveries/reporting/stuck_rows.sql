-- name: closed_but_due
-- Closed deliveries that have a due time, and so seem open to every list and to each claim.
SELECT d.id FROM webhooks_deliveries_delivery d
WHERE d.due_at IS NOT NULL AND d.status NOT IN ('pending', 'sending', 'retrying') LIMIT %(limit)s

-- name: open_but_never_due
-- Open deliveries without a due time: no claim, sweep or list of open ones sees them. Of the newest rows: there is no
-- index of what must not be.
SELECT d.id FROM webhooks_deliveries_delivery d
WHERE d.id > (SELECT max(id) FROM webhooks_deliveries_delivery) - %(newest)s
  AND d.due_at IS NULL AND d.status IN ('pending', 'sending', 'retrying') LIMIT %(limit)s

-- name: claim_not_taken_back
-- Claims that ran out and that nobody took back, or that never run out.
SELECT d.id FROM webhooks_deliveries_delivery d
WHERE d.status = 'sending'
  AND (d.due_at < now() - %(seconds)s * interval '1 second' OR d.due_at > now() + interval '1 hour'
       OR d.claim_token IS NULL) LIMIT %(limit)s

-- name: held_behind_nothing
-- Held deliveries without an ordering group, or first of a group of which none is on its way.
SELECT d.id FROM webhooks_deliveries_delivery d
WHERE d.due_at = '9999-01-01 00:00:00+00' AND d.created_at < now() - %(seconds)s * interval '1 second'
  AND (d.ordering_group IS NULL OR NOT EXISTS (
      SELECT 1 FROM webhooks_deliveries_delivery a
      WHERE a.webhook_id = d.webhook_id AND a.ordering_group = d.ordering_group
        AND (a.due_at < '9999-01-01 00:00:00+00'
             OR (a.id < d.id AND (a.due_at IS NOT NULL OR a.status = 'dead'))))) LIMIT %(limit)s

-- name: feed_that_gives_nothing
-- Open deliveries that neither a claim nor a feed finds: a feed's without a place or under a claim, others with one.
SELECT d.id FROM webhooks_deliveries_delivery d JOIN webhooks_subscriptions_webhook w ON w.id = d.webhook_id
WHERE d.due_at IS NOT NULL
  AND ((d.feed_position IS NOT NULL) <> (w.kind = 'pull') OR (w.kind = 'pull' AND d.claim_token IS NOT NULL))
LIMIT %(limit)s

-- name: open_without_event_or_webhook
-- Open deliveries of an event or a webhook that is gone: no claim finds what to send, or where.
SELECT d.id FROM webhooks_deliveries_delivery d
WHERE d.due_at IS NOT NULL
  AND (NOT EXISTS (SELECT 1 FROM webhooks_deliveries_event e WHERE e.id = d.event_id)
       OR NOT EXISTS (SELECT 1 FROM webhooks_subscriptions_webhook w WHERE w.id = d.webhook_id)) LIMIT %(limit)s

-- name: open_at_webhook_that_is_off
-- Open deliveries of a webhook that has been disabled or deleted for longer than a sweep takes to close them.
SELECT d.id FROM webhooks_deliveries_delivery d JOIN webhooks_subscriptions_webhook w ON w.id = d.webhook_id
WHERE d.due_at IS NOT NULL AND (d.status <> 'sending' OR d.due_at <= now())
  AND COALESCE(w.deleted_at, CASE WHEN NOT w.is_enabled THEN COALESCE(w.disabled_at, w.updated_at) END)
      < now() - %(seconds)s * interval '1 second' LIMIT %(limit)s

-- name: dead_without_dead_letter
-- Dead deliveries that wait for review and stand in no queue.
SELECT d.id FROM webhooks_deliveries_delivery d
WHERE d.status = 'dead' AND NOT EXISTS (
    SELECT 1 FROM webhooks_deliveries_deadletter l WHERE l.delivery_id = d.id AND l.resolved_at IS NULL)
LIMIT %(limit)s

-- name: dead_letter_of_nothing_dead
-- Open dead letters whose delivery isn't dead: they can be neither replayed nor discarded.
SELECT l.delivery_id AS id FROM webhooks_deliveries_deadletter l
JOIN webhooks_deliveries_delivery d ON d.id = l.delivery_id
WHERE l.resolved_at IS NULL AND d.status <> 'dead' LIMIT %(limit)s

-- name: pause_that_nobody_probes
-- Webhooks paused by us that no probe will try.
SELECT w.id FROM webhooks_subscriptions_webhook w
LEFT JOIN webhooks_deliveries_watch h ON h.webhook_id = w.id
WHERE starts_with(w.paused_by, 'auto-pause:') AND w.paused_at < now() - %(seconds)s * interval '1 second'
  AND w.is_enabled AND w.deleted_at IS NULL
  AND (h.paused_at IS DISTINCT FROM w.paused_at OR (h.probe_at IS NULL AND h.probe_delivery IS NULL)
       OR h.probe_at > now() + interval '1 day') LIMIT %(limit)s

-- name: blocked_for_too_long
-- Webhooks whose rate limit allows nothing for longer than any limit asks for: a clock was wrong.
SELECT s.webhook_id AS id FROM webhooks_deliveries_webhookstate s
WHERE s.blocked_until > now() + interval '1 hour' LIMIT %(limit)s

-- name: job_without_progress
-- Bulk jobs that neither go on nor end.
SELECT j.id FROM webhooks_deliveries_job j
WHERE j.status IN ('queued', 'running') AND j.updated_at < now() - %(seconds)s * interval '1 second' LIMIT %(limit)s
