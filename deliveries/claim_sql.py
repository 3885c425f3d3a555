"""The statements of a claim, for PostgreSQL and for SQLite, side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from deliveries.models.deliveries import HELD_SQL

LOCK_SPACE = 0x6D77
"""The first half of the advisory locks' key; the second is the webhook's."""

_SETTINGS = """
    w.id, w.merchant_id, m.public_id, m.domain, w.public_id, w.url, w.dialect, w.body_style, w.api_version, w.headers,
    w.retry_policy, w.timeout, w.max_in_flight, w.rate_limit, w.expire_after, w.fields, COALESCE(l."window", 1),
    l.blocked_until,
    (SELECT max(s.created_at) FROM subscriptions_signingsecret s WHERE s.webhook_id = w.id HAVING count(*) > 1)
"""

_OPEN_LANES = """
    FROM subscriptions_webhook w
    JOIN subscriptions_merchant m ON m.id = w.merchant_id
    LEFT JOIN deliveries_lane l ON l.webhook_id = w.id
    WHERE w.is_enabled AND w.paused_at IS NULL AND w.deleted_at IS NULL
      AND (l.blocked_until IS NULL OR l.blocked_until <= now())
"""

# The lock is asked for in the select list, so only lanes that may send are locked. The rows are counted in the next
# statement: it takes a new snapshot, which holds whatever the lock's last owner committed.
LANES_POSTGRES = f"""
    SELECT {_SETTINGS},
        ARRAY(SELECT s.value FROM subscriptions_signingsecret s
              WHERE s.webhook_id = w.id AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.id),
        now(), pg_try_advisory_xact_lock(%(space)s, (w.id %% 2147483647)::int)
    {_OPEN_LANES} AND w.id = ANY(%(lanes)s)
"""

LANES_SQLITE = f"""
    SELECT {_SETTINGS},
        (SELECT json_group_array(value) FROM (
            SELECT s.value FROM subscriptions_signingsecret s
            WHERE s.webhook_id = w.id AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.id)),
        now(), 1
    {_OPEN_LANES} AND w.id IN (SELECT value FROM json_each(%(lanes)s))
"""

_RETURNED = """
    d.id, d.webhook_id, d.order_key, d.created_at, d.attempt_count, d.tries, d.replays, d.interruptions,
    e.public_id, e.type, e.data, e.resource_id, e.occurred_at, e.size
"""


class Row(NamedTuple):
    """A claimed delivery: _RETURNED, then its state, due time and claim time before, and the database's time."""

    delivery_id: int
    webhook_id: int
    order_key: str | None
    created_at: datetime
    attempt_count: int
    tries: int
    replays: int
    interruptions: int
    event_id: str
    event_type: str
    data: str
    resource_id: str
    occurred_at: datetime
    size: int
    was: str
    was_due: datetime
    was_claimed: datetime | None
    now: datetime

    @property
    def was_interrupted(self) -> bool:
        """Tell whether the row's last claim ran out: its worker died, or lost the database."""
        return self.was == "sending"


def row_of(values: Any, read: Any) -> Row:
    """Return a fetched tuple as a Row; `read` turns the database's timestamps into aware datetimes."""
    row = Row(*values)
    return row._replace(
        created_at=read(row.created_at),
        occurred_at=read(row.occurred_at),
        was_due=read(row.was_due),
        was_claimed=row.was_claimed and read(row.was_claimed),
        now=read(row.now),
    )


# MATERIALIZED keeps the locking subselects from being run again by another plan; an UPDATE … WHERE id IN (SELECT …
# LIMIT) may update more rows than its limit. A row that another claim took between snapshot and lock is skipped.
# Rows found in state `sending` are those whose claim ran out: their worker died.
CLAIM_POSTGRES = f"""
    WITH lane AS MATERIALIZED (
        SELECT u.webhook_id, u.seconds, LEAST(u.most, GREATEST(0, u.places - (
            SELECT count(*) FROM deliveries_delivery f
            WHERE f.webhook_id = u.webhook_id AND f.status = 'sending' AND f.due_at > now()))) AS places
        FROM unnest(%(lanes)s::bigint[], %(places)s::int[], %(most)s::int[], %(seconds)s::float8[])
            AS u(webhook_id, places, most, seconds)
    ), due AS MATERIALIZED (
        SELECT found.*, lane.seconds FROM lane CROSS JOIN LATERAL (
            SELECT d.id, d.event_id, d.status AS was, d.due_at AS was_due, d.claimed_at AS was_claimed
            FROM deliveries_delivery d
            WHERE d.webhook_id = lane.webhook_id AND d.due_at <= now()
            ORDER BY d.due_at, d.id LIMIT lane.places FOR NO KEY UPDATE SKIP LOCKED) AS found
    ), chosen AS MATERIALIZED (
        SELECT due.*, row_number() OVER (ORDER BY was_due, due.id) AS nth,
            sum(e.size) OVER (ORDER BY was_due, due.id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM due JOIN deliveries_event e ON e.id = due.event_id
    )
    UPDATE deliveries_delivery d
    SET status = 'sending', claim = %(token)s, claimed_at = now(), due_at = now() + c.seconds * interval '1 second',
        interruptions = CASE WHEN c.was = 'sending' THEN d.interruptions + 1 ELSE d.interruptions END,
        attempt_count = CASE WHEN c.was = 'sending' THEN d.attempt_count + 1 ELSE d.attempt_count END
    FROM chosen c JOIN deliveries_event e ON e.id = c.event_id
    WHERE d.id = c.id AND c.nth <= %(limit)s AND (c.nth = 1 OR c.bytes <= %(bytes)s)
    RETURNING {_RETURNED}, c.was, c.was_due, c.was_claimed, now()
"""

# SQLite has one writer: the transaction is IMMEDIATE, so nobody else claims between these two statements.
CHOOSE_SQLITE = f"""
    WITH lane AS (
        SELECT value ->> 0 AS webhook_id, value ->> 1 AS places, value ->> 2 AS most, value ->> 3 AS seconds
        FROM json_each(%(lanes)s)
    ), due AS (
        SELECT d.*, lane.seconds, min(lane.most, lane.places - (
            SELECT count(*) FROM deliveries_delivery f
            WHERE f.webhook_id = d.webhook_id AND f.status = 'sending' AND f.due_at > now())) AS places,
            row_number() OVER (PARTITION BY d.webhook_id ORDER BY d.due_at, d.id) AS nth_of_lane
        FROM lane JOIN deliveries_delivery d ON d.webhook_id = lane.webhook_id
        WHERE d.due_at <= now()
    ), chosen AS (
        SELECT due.id, due.seconds, row_number() OVER (ORDER BY due.due_at, due.id) AS nth,
            sum(e.size) OVER (ORDER BY due.due_at, due.id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM due JOIN deliveries_event e ON e.id = due.event_id WHERE nth_of_lane <= places
    )
    SELECT {_RETURNED}, d.status, d.due_at, d.claimed_at, now(), c.seconds
    FROM chosen c JOIN deliveries_delivery d ON d.id = c.id JOIN deliveries_event e ON e.id = d.event_id
    WHERE c.nth <= %(limit)s AND (c.nth = 1 OR c.bytes <= %(bytes)s)
"""

CLAIM_SQLITE = """
    UPDATE deliveries_delivery
    SET status = 'sending', claim = %(token)s, claimed_at = now(), due_at = chosen.until,
        interruptions = interruptions + (status = 'sending'), attempt_count = attempt_count + (status = 'sending')
    FROM (SELECT value ->> 0 AS id, value ->> 1 AS until FROM json_each(%(rows)s)) AS chosen
    WHERE deliveries_delivery.id = chosen.id
"""

THROTTLED = {"webhook_id": "bigint", "blocked_until": "timestamptz"}
THROTTLE = "ON CONFLICT (webhook_id) DO UPDATE SET blocked_until = excluded.blocked_until"

RELEASED = {"id": "bigint", "due_at": "timestamptz"}
RELEASE = """
    UPDATE deliveries_delivery AS d
    SET status = CASE WHEN d.tries + d.replays > 0 THEN 'retrying' ELSE 'pending' END, claim = NULL, due_at = r.due_at
    FROM {source} WHERE d.id = r.id AND d.claim = %s
"""

# One index probe a lane, however many rows are open: DISTINCT would read them all, and so would an EXISTS beside an OR.
# What is held in line behind a delivery in review never gets due: where the webhook is off, the sweep closes it.
DUE_LANES = f"""
    WITH RECURSIVE lane(webhook_id) AS (
        SELECT min(webhook_id) FROM deliveries_delivery WHERE due_at IS NOT NULL
        UNION ALL
        SELECT (SELECT min(d.webhook_id) FROM deliveries_delivery d
                WHERE d.due_at IS NOT NULL AND d.webhook_id > lane.webhook_id)
        FROM lane WHERE lane.webhook_id IS NOT NULL
    )
    SELECT w.id, w.is_enabled AND w.deleted_at IS NULL
    FROM lane JOIN subscriptions_webhook w ON w.id = lane.webhook_id LEFT JOIN deliveries_lane l ON l.webhook_id = w.id
    WHERE (NOT w.is_enabled OR w.deleted_at IS NOT NULL
           OR (w.paused_at IS NULL AND (l.blocked_until IS NULL OR l.blocked_until <= now())))
      AND ((SELECT min(d.due_at) FROM deliveries_delivery d
            WHERE d.webhook_id = lane.webhook_id AND d.due_at IS NOT NULL) <= now()
           OR ((NOT w.is_enabled OR w.deleted_at IS NOT NULL) AND (
               SELECT max(d.due_at) FROM deliveries_delivery d
               WHERE d.webhook_id = lane.webhook_id AND d.due_at IS NOT NULL) = {HELD_SQL}))
"""

STILL_DUE = """
    SELECT w.id FROM subscriptions_webhook w
    WHERE w.id IN ({places}) AND EXISTS (
        SELECT 1 FROM deliveries_delivery d WHERE d.webhook_id = w.id AND d.due_at <= now())
"""
