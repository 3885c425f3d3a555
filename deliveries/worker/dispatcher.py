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

from deliveries.queueing import wakeups, webhook_settings
from deliveries.sending import process_transport
from deliveries.sending.merchant_shares import Share
from deliveries.worker.claiming import Room, claim_for, room
from deliveries.worker.engine import Engine, engine
from deliveries.worker.ready_webhooks import ReadyWebhooks
from subscriptions import redis_clients
from subscriptions.logs import get_logger

log = get_logger(__name__)

IDLE = 30.0
"""Seconds without anything ready after which a dispatcher goes off duty."""
SLICE = 60.0
"""Seconds on duty after which a dispatcher hands over to a successor, so that other tasks get its thread."""
CLAIM_GAP = 0.004
"""Seconds between two claims while there is traffic: what arrives meanwhile shares the next statement."""
CLAIM_WEBHOOKS = 100
CLAIM_ROWS = 256
"""Webhooks and deliveries of one claim: they are rendered and sent before what comes meanwhile is looked at."""
TAKE_WEBHOOKS = 5000
"""Ready webhooks taken at a time: merchants have turns at claims, and who isn't taken has none."""
READY_MAX = 100_000
"""Ready webhooks that a dispatcher keeps while they wait for their merchants' turns; one of each merchant, at least."""
KEPT_IN_LINE = 8
"""Webhooks of each merchant that it keeps when it leaves some to others: no merchant's turn is lost."""
UNBEGUN_MAX = 64
UNBEGUN_WAIT = 0.02
"""So many requests that wait for the transport's thread hold a claim back, for so many seconds, within a dispatcher's
`wakeups.ATTENTIVE_MS`: what it brings would only wait behind them."""
PAUSE = 0.05
"""Seconds a dispatcher waits for room."""
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
        _Dispatcher(process, dispatcher_id).stay_on_duty()
    except redis.RedisError as error:
        # The sweep finds its webhooks when Redis is back.
        log.warning("dispatcher_lost_redis", error=redis_clients.said(error))
    finally:
        if process.dispatcher_id == dispatcher_id:
            process.go_off_duty()
            if wakeups.leave(dispatcher_id) or process.hands_over:
                wakeups.call_successor()
            process.hands_over = False


class _Dispatcher:
    """A dispatcher on duty: one thread's, until nothing has come for IDLE seconds, or its slice ends.

    Args:
        process: This process' engine.
        dispatcher_id: Under which it is on duty.
    """

    def __init__(self, process: Engine, dispatcher_id: str) -> None:
        self._process = process
        self._sender = process.sender
        self._id = dispatcher_id
        self._ready = ReadyWebhooks(webhook_settings.merchant_of)  # wait for their merchants' turns
        self._slow = ReadyWebhooks(webhook_settings.merchant_of)  # wait for places; quick ones mustn't wait behind them
        self._load = _Load()
        now = time.monotonic()
        self._slice_ends = now + SLICE
        self._had_room_at = self._worked_at = self._called_at = now
        self._claimed_at = 0.0
        self._is_awake = False

    def stay_on_duty(self) -> None:
        """Take, claim and submit, turn by turn. What still waits at the end is given back."""
        try:
            while not self._process.stopping:
                if time.monotonic() > self._slice_ends:
                    self._process.hands_over = True
                    return
                if not room(self._process).rows:
                    self._wait_for_room()
                elif not self._turn():
                    return
        finally:
            wakeups.give_back([*self._ready.empty(), *self._slow.empty()])

    def _wait_for_room(self) -> None:
        if self._is_awake:
            wakeups.rest(self._id)
            self._is_awake = False
        now = time.monotonic()
        if now - self._had_room_at > FULL:
            self._call_another(gives=True)
            self._had_room_at = now  # asked again after as long
        self._process.wait_for_progress(PAUSE)

    def _turn(self) -> bool:
        """Take what is ready and claim for some of it. False when it is time to go off duty."""
        self._had_room_at = time.monotonic()
        self._gather()
        is_saturated = self._load.is_high()
        now_free = room(self._process)
        taken = wakeups.take(self._id, TAKE_WEBHOOKS, saturated=is_saturated)
        self._is_awake = bool(taken.webhooks) and not is_saturated
        self._line_up(taken.webhooks)
        if not self._ready and not self._slow:
            return self._await_work()
        share = self._process.share()
        chosen = self._in_turn(self._ready, min(CLAIM_WEBHOOKS, now_free.rows), share)
        quick, slow = self._sender.divide(chosen)
        self._slow.add(slow)
        if slow and not quick and (taken.left or self._ready):
            return True  # the quick ones may be among those that are left
        self._claimed_at = self._worked_at = time.monotonic()
        is_short = bool(self._slow) and not self._sender.may_take_slow(self._slow)  # other processes have places
        if (self._ready or is_saturated or is_short) and self._claimed_at - self._called_at > FULL:
            self._call_another(gives=is_saturated)
        if not (self._dispatch(quick, now_free, share) and self._dispatch_slow(share)):
            wakeups.rest(self._id)
            self._process.wait_for_progress(DATABASE_REST)
        elif not chosen:
            self._pause(PAUSE if is_short else SLOW_PAUSE)
        return True

    def _gather(self) -> None:
        """Let CLAIM_GAP pass after the last claim, and requests leave that wait for the transport's thread."""
        left = self._claimed_at + CLAIM_GAP - time.monotonic()
        if left > 0:
            time.sleep(left)
        until = time.monotonic() + UNBEGUN_WAIT
        while process_transport.waiting() > UNBEGUN_MAX and time.monotonic() < until:
            time.sleep(CLAIM_GAP)

    def _line_up(self, webhook_ids: Sequence[int]) -> None:
        """Put taken webhooks into their merchants' lines.

        Where the database is away, and so doesn't say whose they are, the next claim says so; they wait in lines of
        their own.
        """
        with suppress(DatabaseError, InterfaceError):
            webhook_settings.meet(webhook_ids)
        self._ready.add(webhook_ids)
        wakeups.give_back(self._ready.trim(READY_MAX))

    def _in_turn(self, waiting: ReadyWebhooks, limit: int, share: Share) -> list[int]:
        """Take the webhooks of a claim, merchants in turn, without those merchants that have their share."""
        return waiting.take(max(1, limit), lambda merchant: self._process.held_of(merchant) < share.below)

    def _dispatch(self, webhook_ids: Sequence[int], free: Room, share: Share, rows: int = CLAIM_ROWS) -> bool:
        """Claim for these webhooks as much as leaves places to other merchants. False where the database failed."""
        held = [self._process.held_of(merchant) for merchant in self._ready.names(webhook_ids)]
        rows, each = share.among(free.rows, held, rows)
        return claim_for(self._process, webhook_ids, rows=rows, bytes_max=free.bytes, each=each)

    def _dispatch_slow(self, share: Share) -> bool:
        """Dispatch some of the slow webhooks, merchants in turn, as far as they have places left."""
        free = room(self._process)
        places = min(free.rows, self._sender.slow_starts())
        if not self._slow or not places:
            return True
        chosen = self._in_turn(self._slow, SLOW_AT_ONCE, share)
        behind = self._sender.behind(chosen)
        self._slow.add(behind)
        webhook_ids = [pk for pk in chosen if pk not in behind]
        return self._dispatch(webhook_ids, Room(places, free.bytes), share, rows=SLOW_AT_ONCE)

    def _call_another(self, *, gives: bool) -> None:
        """Call another dispatcher to help; where there is one, and `gives` says so, leave it some of what waits."""
        if wakeups.call_another() and gives:
            wakeups.give_back(self._ready.spare(KEPT_IN_LINE, TAKE_WEBHOOKS))
        self._called_at = time.monotonic()

    def _pause(self, seconds: float) -> None:
        """Wait a moment where nothing but what has its share, or is slow, was there to be claimed."""
        if self._ready:
            self._process.wait_for_progress(SLOW_PAUSE)
        elif self._slow:
            wakeups.wait_for_bell(seconds)

    def _await_work(self) -> bool:
        """Wait for the bell; False when it is time to go off duty."""
        if current_app.conf.task_always_eager:  # stay while outcomes are to come, no longer: the caller waits
            if not _ready_now():
                if not self._process.busy:
                    return False
                self._process.wait_for_progress(PAUSE)
            return True
        if time.monotonic() - self._worked_at > IDLE and not self._process.busy:
            return False
        wakeups.wait_for_bell(1.0)
        return True


def _ready_now() -> bool:
    state = wakeups.state()
    return state is not None and state.ready > 0


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
