"""The dispatcher: on duty in a worker process, it takes ready webhooks, claims what is due, and hands it to the sender.

A Celery task brings it on duty. It waits for the bell, not for sends, and goes off duty after IDLE seconds without
work, at the end of its slice (a successor is enqueued then), or when the worker stops (docs/adr/0021).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress

import redis
from celery import current_app
from django.db import DatabaseError, InterfaceError

from deliveries.db import outages
from deliveries.db.outages import concerns_statement, is_outage
from deliveries.queueing import claims, wakeups, webhook_settings
from deliveries.sending.merchant_shares import Share
from deliveries.worker.engine import Engine, engine
from deliveries.worker.ready_webhooks import ReadyWebhooks
from subscriptions import redis_clients
from subscriptions.conf import settings
from subscriptions.logs import get_logger

log = get_logger(__name__)

IDLE = 30.0
"""Seconds without anything ready after which a dispatcher goes off duty."""
SLICE = 60.0
"""Seconds on duty after which a dispatcher hands over to a successor, so that other tasks get its thread."""
CLAIM_GAP = 0.004
"""Seconds between two claims while there is traffic: what arrives meanwhile shares the next statement."""
CLAIM_WEBHOOKS = 100
"""Webhooks of one claim."""
TAKE_WEBHOOKS = 500
"""Ready webhooks taken at a time: merchants have turns at claims, and who isn't taken has none."""
READY_MAX = 20_000
"""Ready webhooks that a dispatcher keeps while their merchants wait for their turns."""
PAUSE = 0.05
"""Seconds a dispatcher waits for room, or for a webhook that another claim holds."""
FULL = 0.2
"""Seconds without room for a single row, or with a saturated process, after which another is called to help."""
SATURATED = 0.6
"""The share of a core, measured over LOAD_WINDOW seconds, from which on a process leaves work to others."""
LOAD_WINDOW = 0.1
DATABASE_REST = 0.5
"""Seconds a dispatcher rests after the database failed it."""
SLOW_AT_ONCE = 8
"""Webhooks and deliveries of a claim for slow ones: what hangs ends together, and must start again little by little."""
SLOW_PAUSE = 0.01
"""Seconds a dispatcher waits for the bell while slow webhooks wait for places."""
CLAIM_BYTES_MIN = 2 * 1024**2
"""Bytes that must be free below WEBHOOKS_LOADED_BYTES for a claim, so that a batch is never cut to a single body."""


def work(webhook_ids: Sequence[int]) -> None:
    """Go on duty for an arrived task, unless this process has a dispatcher on duty: that one sees the webhooks."""
    process = engine()
    if process.stopping:
        wakeups.wake(webhook_ids)  # another worker's to do
        return
    dispatcher_id = secrets.token_hex(8)
    try:
        if not process.go_on_duty(dispatcher_id):
            wakeups.arrive(None, webhook_ids)
            return
        wakeups.arrive(dispatcher_id, webhook_ids)
        _stay_on_duty(process, dispatcher_id)
    except redis.RedisError as error:
        # The sweep finds its webhooks when Redis is back.
        log.warning("dispatcher_lost_redis", error=redis_clients.said(error))
    finally:
        if process.dispatcher_id == dispatcher_id:
            process.go_off_duty()
            if wakeups.leave(dispatcher_id) or process.hands_over:
                wakeups.call_successor()
            process.hands_over = False


def _stay_on_duty(process: Engine, dispatcher_id: str) -> None:
    ready, slow = ReadyWebhooks(webhook_settings.merchant_of), ReadyWebhooks(webhook_settings.merchant_of)
    try:
        _dispatch_until_idle(process, dispatcher_id, ready, slow)
    finally:
        wakeups.give_back([*ready.empty(), *slow.empty()])


def _dispatch_until_idle(process: Engine, dispatcher_id: str, ready: ReadyWebhooks, slow: ReadyWebhooks) -> None:
    """Take, claim and submit until nothing has come for IDLE seconds, or the slice ends.

    Args:
        process: This process' engine.
        dispatcher_id: Under which this dispatcher is on duty.
        ready: Webhooks that wait for their merchants' turns.
        slow: Ready ones that wait for their share of the places; quick ones mustn't wait behind them.
    """
    slice_ends = time.monotonic() + SLICE
    had_room = idle_since = called_at = time.monotonic()
    claimed_at, is_awake = 0.0, False
    load = _Load()
    while not process.stopping:
        now = time.monotonic()
        if now > slice_ends:
            process.hands_over = True
            return
        if not _room(process)[0]:
            if is_awake:
                wakeups.rest(dispatcher_id)
                is_awake = False
            if now - had_room > FULL:
                had_room = _call_another(ready, gives=True)  # asked again after as long
            process.wait_for_progress(PAUSE)
            continue
        had_room = now
        if claimed_at + CLAIM_GAP > now:
            time.sleep(claimed_at + CLAIM_GAP - now)
        free, max_bytes = _room(process)
        saturated = load.is_high()
        taken = wakeups.take(dispatcher_id, TAKE_WEBHOOKS if len(ready) < READY_MAX else 1, saturated=saturated)
        is_awake = bool(taken.webhooks) and not saturated
        if taken.webhooks or ready or slow:
            _meet(taken.webhooks)
            ready.add(taken.webhooks)
            share = process.sender.share()
            chosen = _in_turn(process, ready, max(1, min(CLAIM_WEBHOOKS, free)), share)
            quick, found_slow = process.sender.divide(chosen)
            slow.add(found_slow)
            if found_slow and not quick and (taken.left or ready):
                continue  # the quick ones may be among those that are left
            claimed_at = idle_since = time.monotonic()
            is_short = bool(slow) and not process.sender.may_take_slow(slow)  # other processes have places for them
            if (ready or saturated or is_short) and claimed_at - called_at > FULL:
                called_at = _call_another(ready, gives=saturated)
            limit, each = _among(process, ready, quick, free, share)
            if not (_dispatch(process, quick, limit, max_bytes, each) and _dispatch_slow(process, slow, share)):
                wakeups.rest(dispatcher_id)
                process.wait_for_progress(DATABASE_REST)
            elif not chosen:
                _pause(process, ready, slow, PAUSE if is_short else SLOW_PAUSE)
        elif not _await_work(process, idle_since):
            return


def _meet(webhook_ids: Sequence[int]) -> None:
    """Learn whose webhooks are. Where the database is away the next claim says so; they wait in lines of their own."""
    with suppress(DatabaseError, InterfaceError):
        webhook_settings.meet(webhook_ids)


def _in_turn(process: Engine, ready: ReadyWebhooks, limit: int, share: Share) -> list[int]:
    """Take the webhooks of a claim, merchants in turn, without those merchants that have their share."""
    return ready.take(limit, lambda merchant: process.held_of(merchant) < share.below)


def _among(
    process: Engine, ready: ReadyWebhooks, webhook_ids: Sequence[int], free: int, share: Share
) -> tuple[int, int]:
    """Return how many rows a claim for these webhooks may bring, and how many each merchant may get of it."""
    return share.among(free, [process.held_of(name) for name in ready.names(webhook_ids)])


def _call_another(ready: ReadyWebhooks, *, gives: bool) -> float:
    """Call another dispatcher to help; `gives` it what waits here. Returns when, in monotonic seconds."""
    if gives:
        wakeups.give_back(ready.empty())
    wakeups.call_another()
    return time.monotonic()


def _pause(process: Engine, ready: ReadyWebhooks, slow: ReadyWebhooks, seconds: float) -> None:
    """Wait a moment where nothing but what has its share, or is slow, was there to be claimed."""
    if ready:
        process.wait_for_progress(SLOW_PAUSE)
    elif slow:
        wakeups.wait_for_bell(seconds)


class _Load:
    """How much of a core the process uses. It can't use much more than one, so beyond SATURATED others help."""

    def __init__(self) -> None:
        self._at, self._used, self._is_high = time.monotonic(), time.process_time(), False

    def is_high(self) -> bool:
        """Tell whether it was saturated in the last LOAD_WINDOW."""
        now = time.monotonic()
        if now - self._at >= LOAD_WINDOW:
            used = time.process_time()
            self._is_high = used - self._used > SATURATED * (now - self._at)
            self._at, self._used = now, used
        return self._is_high


def _await_work(process: Engine, idle_since: float) -> bool:
    """Wait for the bell; False when it is time to go off duty."""
    if current_app.conf.task_always_eager:  # stay while outcomes are to come, no longer: the caller waits
        if not _ready_now():
            if not process.busy:
                return False
            process.wait_for_progress(PAUSE)
        return True
    if time.monotonic() - idle_since > IDLE and not process.busy:
        return False
    wakeups.wait_for_bell(1.0)
    return True


def _ready_now() -> bool:
    state = wakeups.state()
    return state is not None and state.ready > 0


def _room(process: Engine) -> tuple[int, int]:
    """Return how many rows and bytes may be claimed now; no rows while outcomes can't be recorded, or not soon."""
    if process.recorder.blocked or process.recorder.behind:
        return 0, 0
    left = settings.WEBHOOKS_LOADED_BYTES - process.sender.loaded_bytes
    if left < min(CLAIM_BYTES_MIN, settings.WEBHOOKS_LOADED_BYTES):
        return 0, 0
    return process.sender.free(), min(settings.WEBHOOKS_CLAIM_BYTES, left)


def _dispatch_slow(process: Engine, slow: ReadyWebhooks, share: Share) -> bool:
    """Dispatch some of the slow webhooks, merchants in turn, as far as they have places left."""
    free, max_bytes = _room(process)
    if not slow or not free or not (places := process.sender.slow_free()):
        return True
    chosen = _in_turn(process, slow, SLOW_AT_ONCE, share)
    behind = process.sender.behind(chosen)
    slow.add(behind)
    webhook_ids = [pk for pk in chosen if pk not in behind]
    limit, each = _among(process, slow, webhook_ids, min(free, places), share)
    return _dispatch(process, webhook_ids, min(limit, SLOW_AT_ONCE), max_bytes, each)


def _dispatch(process: Engine, webhook_ids: Sequence[int], free: int, max_bytes: int, each: int | None = None) -> bool:
    """Claim what is due for these webhooks and submit it. False where the database failed."""
    if not webhook_ids:
        return True
    try:
        batch = claims.claim(webhook_ids, limit=free, max_bytes=max_bytes, each=each)
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
    rows, held = _one_poison_candidate(process, batch.rows)
    process.sender.submit(rows)
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
