"""A shift: take ready lanes, claim across them, hand the rows to the sender, until no lane is ready.

It never waits for a single send; it stays while fast sends are open, because their outcomes free places in their
lanes, and ends its slice when others wait for the thread. The order at its end (unregister, then look once more)
closes the race with a wake that saw it registered; docs/adr/0002 has the interleavings.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from deliveries import claims, lanes
from deliveries.engine import Engine, engine

log = structlog.get_logger(__name__)

PAUSE = 0.05
"""Seconds a shift waits for news before it looks at the ready lanes again."""
FULL = 0.2
"""Seconds without room for a single row after which a shift ends, so that it doesn't count where others have room."""
DATABASE_REST = 0.5
"""Seconds a shift rests after the database failed it."""
CLAIM_BYTES_MIN = 2 * 1024**2
"""Bytes that must be free below WEBHOOKS_LOADED_BYTES for a claim, so that a batch is never cut to a single body."""


def work(webhook_ids: Sequence[int], *, slow: bool) -> None:
    """Run a shift for an arrived wake-up, unless enough shifts are on: those see its lanes."""
    parts = engine()
    shift_id = secrets.token_hex(8)
    if parts.stopping:
        lanes.wake(webhook_ids, slow=slow)  # another worker's to do
        return
    try:
        if not lanes.begin(shift_id, webhook_ids, slow=slow):
            return
        parts.shifts.add(shift_id)
        _run(parts, shift_id, slow=slow)
    except redis.RedisError as error:
        log.warning("shift_lost_redis", error=str(error)[:200])  # the sweep wakes its lanes when Redis is back
    finally:
        parts.shifts.discard(shift_id)
        if lanes.end(shift_id, slow=slow) and parts.stopping:
            lanes.call_another(slow=slow)  # lanes that were marked ready because this shift was seen


def _run(parts: Engine, shift_id: str, *, slow: bool) -> None:
    slice_ends = time.monotonic() + settings.WEBHOOKS_SHIFT_SLICE
    had_room = time.monotonic()
    while not parts.stopping:
        free, max_bytes = _room(parts)
        if not free and time.monotonic() - had_room < FULL:
            parts.wait_for_news(PAUSE)
            continue
        if not free:
            _hand_over(shift_id, slow=slow)
            return
        had_room = time.monotonic()
        taken = lanes.take(shift_id, min(settings.WEBHOOKS_CLAIM_LANES, free), slow=slow)
        if taken.diverted:
            lanes.call_another(slow=True)
        if taken.lanes:
            if taken.left:
                lanes.call_another(slow=slow)
            _work_lanes(parts, taken.lanes, free, max_bytes, slow=slow)
        elif parts.busy and time.monotonic() < slice_ends:
            parts.wait_for_news(PAUSE)
        elif not lanes.end(shift_id, slow=slow) or not lanes.begin(shift_id, [], slow=slow):
            return
        if time.monotonic() > slice_ends:  # other tasks get the thread; a wake-up goes to the back of the queue
            _hand_over(shift_id, slow=slow)
            return


def _hand_over(shift_id: str, *, slow: bool) -> None:
    """End the shift and call another, in whichever process has room, if there is more to do."""
    if lanes.end(shift_id, slow=slow):
        lanes.call_another(slow=slow)


def _room(parts: Engine) -> tuple[int, int]:
    """Return how many rows and bytes may be claimed now; no rows while outcomes can't be recorded, or not soon."""
    if parts.recorder.blocked or parts.recorder.behind:
        return 0, 0
    left = settings.WEBHOOKS_LOADED_BYTES - parts.sender.loaded_bytes
    if left < min(CLAIM_BYTES_MIN, settings.WEBHOOKS_LOADED_BYTES):
        return 0, 0
    return parts.sender.free(), min(settings.WEBHOOKS_CLAIM_BYTES, left)


def _work_lanes(parts: Engine, webhook_ids: Sequence[int], free: int, max_bytes: int, *, slow: bool) -> None:
    try:
        batch = claims.claim(webhook_ids, limit=free, max_bytes=max_bytes)
    except (DatabaseError, InterfaceError) as error:
        log.warning("claim_failed", lanes=len(webhook_ids), error=str(error)[:200])
        lanes.give_back(webhook_ids, slow=slow)
        parts.wait_for_news(DATABASE_REST)
        return
    lanes.give_back(webhook_ids if batch.full else batch.busy, slow=slow)
    if batch.busy and not batch.rows:
        parts.wait_for_news(PAUSE)  # whoever holds those lanes needs a moment; if it hangs, don't spin beside it
    for webhook_id, seconds in batch.throttled.items():
        lanes.wake_later([webhook_id], seconds)
    rows, suspects = _one_suspect(parts, batch.rows)
    parts.sender.submit(rows)
    if suspects:
        _hold(suspects)


def _hold(suspects: list[claims.Claimed]) -> None:
    """Give suspects back for a moment. If that fails, their claims run out."""
    try:
        claims.release(suspects, delay=PAUSE)
    except (DatabaseError, InterfaceError) as error:
        log.warning("release_failed", error=str(error)[:200])
        return
    lanes.wake_later({row.target.webhook_id for row in suspects}, PAUSE)


def _one_suspect(parts: Engine, rows: list[claims.Claimed]) -> tuple[list[claims.Claimed], list[claims.Claimed]]:
    """Split off all but one of the deliveries whose worker died twice while sending them.

    One at a time a process, so that a payload that kills workers doesn't take the same companions along each time:
    they would reach review with it.
    """
    suspects = [row for row in rows if row.is_suspect]
    if not suspects:
        return rows, []
    kept = [] if parts.sender.has_suspect() else suspects[:1]
    held = [row for row in suspects if row not in kept]
    return [row for row in rows if not row.is_suspect] + kept, held
