"""Claiming: what is due for some webhooks becomes this process' to send, as far as there is room for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError

from deliveries.db import outages
from deliveries.db.outages import concerns_statement, is_outage
from deliveries.queueing import claims, wakeups
from deliveries.worker.engine import Engine
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

PAUSE = 0.05
"""Seconds to wait for webhooks that another claim holds, and until a poison candidate is looked at again."""
CLAIM_BYTES_MIN = 2 * 1024**2
"""Bytes that must be free below WEBHOOKS_LOADED_BYTES for a claim, so that a batch is never cut to a single body."""


class Room(NamedTuple):
    """How many rows, and bytes of event data, a process may claim now."""

    rows: int
    bytes: int


def room(process: Engine) -> Room:
    """Return the room of a process; none while outcomes can't be recorded, or not soon."""
    if process.recorder.blocked or process.recorder.behind:
        return Room(0, 0)
    left = settings.WEBHOOKS_LOADED_BYTES - process.sender.loaded_bytes
    if left < min(CLAIM_BYTES_MIN, settings.WEBHOOKS_LOADED_BYTES):
        return Room(0, 0)
    return Room(process.sender.free(), min(settings.WEBHOOKS_CLAIM_BYTES, left))


def claim_for(
    process: Engine, webhook_ids: Sequence[int], *, rows: int, bytes_max: int, each: int | None = None
) -> bool:
    """Claim what is due for these webhooks and submit it. False where the database failed.

    Webhooks of which there is more are ready again at once; those whose rate is used up, later.

    Args:
        process: Whose sender sends it.
        webhook_ids: For which to look.
        rows: How many deliveries at most.
        bytes_max: How many bytes of event data, about.
        each: How many deliveries of a merchant.
    """
    if not webhook_ids:
        return True
    try:
        batch = claims.claim(webhook_ids, limit=rows, max_bytes=bytes_max, each=each)
    except (DatabaseError, InterfaceError) as error:
        if is_outage(error) and not concerns_statement(error):
            outages.note()
        log.warning("claim_failed", webhooks=len(webhook_ids), error=str(error)[:200])
        wakeups.give_back(webhook_ids)
        return False
    wakeups.give_back(webhook_ids if batch.full else batch.busy)
    if batch.busy and not batch.rows:
        process.wait_for_progress(PAUSE)  # whoever holds them needs a moment; if it hangs, don't spin beside it
    for webhook_id, seconds in batch.throttled.items():
        wakeups.wake_later([webhook_id], seconds)
    sent, held = _one_poison_candidate(process, batch.rows)
    process.sender.submit(sent)
    if held:
        _hold(held)
    return True


def _hold(rows: list[claims.Claimed]) -> None:
    """Give poison candidates back for a moment. If that fails, their claims run out."""
    try:
        claims.release(rows, delay=PAUSE)
    except (DatabaseError, InterfaceError) as error:
        log.warning("release_failed", error=str(error)[:200])
        return
    wakeups.wake_later({row.webhook.webhook_id for row in rows}, PAUSE)


def _one_poison_candidate(
    process: Engine, rows: list[claims.Claimed]
) -> tuple[list[claims.Claimed], list[claims.Claimed]]:
    """Split off all but one of the deliveries whose worker died twice while sending them.

    One at a time a process, so that a payload that kills workers doesn't take the same companions along each time:
    they would reach review with it.
    """
    candidates = [row for row in rows if row.is_poison_candidate]
    if not candidates:
        return rows, []
    kept = [] if process.sender.has_poison_candidate() else candidates[:1]
    held = [row for row in candidates if row not in kept]
    return [row for row in rows if not row.is_poison_candidate] + kept, held
