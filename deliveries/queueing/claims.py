"""Claims: due deliveries of many webhooks become this process' to send, under a token that is the fence.

Nobody else sends a row while its claim lasts; a claim covers the request's whole deadline and a grace. A claim whose
worker died simply runs out; the next claim of its webhook finds it and has it taken back (see `orphans`).
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from deliveries import dialects, meters
from deliveries.db.arrays import columns, literal
from deliveries.db.direct_session import Asked
from deliveries.db.engine_session import fetch, fetch_together
from deliveries.db.sessions import borrowed, clock
from deliveries.db.statements import load
from deliveries.models.codes import encode
from deliveries.queueing import expiry, orphans, webhook_settings
from deliveries.queueing.webhook_settings import WebhookSettings
from subscriptions import ids, tallies
from subscriptions.conf import settings

POISON_CANDIDATE_AFTER = 2
"""Orphaned attempts in a row from which on a delivery may be what kills the workers (docs/adr/0006)."""
LOCK_SPACE = 0x6D77
"""The first half of the advisory locks' key; the second is the webhook's."""

_SQL = load(__file__, "claims.sql")


@dataclass(slots=True)
class Claimed:
    """A delivery that is ours to send until `expires_at` (the database's clock).

    `window`: how many requests the webhook might have open when it was claimed.
    """

    webhook: WebhookSettings
    token: int
    delivery_id: int
    attempt: int
    tries: int
    orphaned_attempts: int
    event_id: str
    event_type: str
    data: str
    resource_id: str
    occurred_at: datetime
    size: int
    due_at: datetime
    expires_at: datetime
    window: int = 1

    @property
    def public_id(self) -> str:
        """The delivery's `dlv_…` code."""
        return encode(ids.DELIVERY, self.delivery_id)

    @property
    def named(self) -> dict[str, Any]:
        """The ids that a log line about it has."""
        webhook = self.webhook.webhook
        return {"delivery": self.public_id, "event_id": self.event_id, "attempt": self.attempt, "webhook": webhook}

    @property
    def is_poison_candidate(self) -> bool:
        """Tell whether its worker died so often while sending it that it is sent one at a time."""
        return self.orphaned_attempts >= POISON_CANDIDATE_AFTER


@dataclass(slots=True)
class Batch:
    """What one claim brought.

    `busy`: webhooks that another claim is at. `full`: more may be due than it could take. `throttled`: webhooks whose
    rate limit is used up, with the seconds until it allows the next request.
    """

    rows: list[Claimed] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    full: bool = False
    throttled: dict[int, float] = field(default_factory=dict)


def claim(
    webhook_ids: Sequence[int], *, limit: int, max_bytes: int, each: int | None = None, probe: bool = False
) -> Batch:
    """Claim what is due for these webhooks: at most `limit` deliveries and about `max_bytes` of event data.

    Merchants have turns: none gets a second delivery before each has had one, and none more than `each` (None: any).

    A webhook gives at most its free places. Disabled, deleted and rate-limited webhooks give nothing, nor do paused
    ones, but for a `probe`. Claims that ran out are taken back on the way, and what is too old is closed.
    """
    began = time.monotonic()
    batch, orphaned = _claim(webhook_ids, limit, max_bytes, each, probe=probe)
    if orphaned and orphans.may_take_back():
        with borrowed():
            orphans.take_back(orphaned)
        more, _orphaned = _claim(orphaned, limit - len(batch.rows), max_bytes, each, probe=probe)
        batch.rows += more.rows
        batch.busy += more.busy
        batch.throttled |= more.throttled
        batch.full = True  # others may have run out meanwhile, or have been too many
    counts = {meters.CLAIMED.field(): len(batch.rows)}
    meters.CLAIMING.add_to(counts, time.monotonic() - began)
    tallies.keep_all(counts)
    return batch


def _claim(
    webhook_ids: Sequence[int], limit: int, max_bytes: int, each: int | None, *, probe: bool
) -> tuple[Batch, list[int]]:
    """Claim once; return also the webhooks with claims that ran out."""
    token = secrets.randbits(62)
    asked_at = time.monotonic()  # before the database looks at its clock
    bounds = {"limit": limit, "bytes": max_bytes, "each": each, "token": token, "probe": probe}
    turns, rows = fetch_together(
        (_SQL["take_turns"], {"space": LOCK_SPACE, "webhook_ids": literal(webhook_ids)}),
        (_SQL["claim"], _constants() | bounds),
    )
    mine = {int(pk) for pk in turns.turns.split(",") if pk}
    batch = Batch(busy=[pk for pk in webhook_ids if pk not in mine])
    if not rows:
        return batch, []
    clock.set(rows[0].now, asked_at)
    claimed = [row for row in rows if row.id is not None]
    current = webhook_settings.current({row.webhook_id: row.version for row in claimed})
    # One whose webhook was purged since the claim was purged with it.
    batch.rows = [_claimed(row, current[row.webhook_id], token) for row in claimed if row.webhook_id in current]
    batch.throttled = {row.webhook_id: row.wait for row in rows if row.wait is not None and row.wait > 0}
    expired = {row.webhook_id for row in rows if row.expired}
    if expired:
        with borrowed():
            expiry.close(expired)
    total = sum(row.size for row in batch.rows)
    most = max(Counter(row.webhook.merchant_id for row in batch.rows).values(), default=0)
    is_cut = len(batch.rows) >= limit or most >= (each or limit) or total >= max_bytes // 2
    batch.full = is_cut or bool(expired) or any(row.has_more for row in rows)
    return batch, sorted({row.webhook_id for row in rows if row.orphaned})


def release(rows: Sequence[Claimed], *, delay: float = 0.0) -> None:
    """Give rows back unsent, due as they were, or `delay` seconds from now."""
    later = clock.at(time.monotonic()) + timedelta(seconds=delay) if delay else None
    values = [(row.delivery_id, row.token, later or row.due_at) for row in rows]
    fetch(_SQL["release"], columns(("id", "token", "due_at"), values))


def due_webhooks() -> tuple[list[int], list[int]]:
    """Return the webhooks with something due: those that may send now, and those that are disabled or deleted."""
    rows = fetch(_SQL["due_webhooks"], {"cap": settings.WEBHOOKS_MAX_IN_FLIGHT})
    return [row.id for row in rows if row.may_send], [row.id for row in rows if not row.may_send]


def still_due(webhook_ids: Sequence[int]) -> list[int]:
    """Return those of the webhooks that have something due now."""
    return [row.id for row in fetch(*asking_still_due(webhook_ids))]


def asking_still_due(webhook_ids: Sequence[int]) -> Asked:
    """Return the statement that asks for `still_due`: a row with the `id` of each such webhook."""
    return _SQL["still_due"], {"webhook_ids": literal(webhook_ids)}


def _constants() -> dict[str, Any]:
    return {
        "cap": settings.WEBHOOKS_MAX_IN_FLIGHT,
        "grace": settings.WEBHOOKS_CLAIM_GRACE,
        "expire_after": settings.WEBHOOKS_EXPIRE_AFTER,
        "timeout": webhook_settings.UNKNOWN_TIMEOUT,
        "timeouts": _timeouts(),
    }


@lru_cache(maxsize=1)
def _timeouts() -> str:
    return json.dumps({name: dialects.get(name).timeout for name in dialects.NAMES})


def _claimed(row: Any, webhook: WebhookSettings, token: int) -> Claimed:
    return Claimed(
        webhook=webhook,
        token=token,
        delivery_id=row.id,
        attempt=row.attempt_count + 1,
        tries=row.tries,
        orphaned_attempts=row.orphaned_attempts,
        event_id=row.event_id,
        event_type=row.type,
        data=row.data,
        resource_id=row.resource_id,
        occurred_at=row.occurred_at,
        size=row.size,
        due_at=row.was_due,
        expires_at=row.expires_at,
        window=row.window,
    )
