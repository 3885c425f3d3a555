"""Sending: one sender a process, thousands of requests side by side, nobody waits for a single one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from deliveries.db.sessions import clock
from deliveries.payloads.transformations import NotTransformed
from deliveries.queueing.claims import Claimed
from deliveries.sending import carrying, destinations, resolvers, tracing
from deliveries.sending.destinations import TooLarge
from deliveries.sending.masking import without_echo
from deliveries.sending.merchant_shares import MerchantShares, Share
from deliveries.sending.process_transport import open_requests_max
from deliveries.sending.rendering import render, runs_expressions
from deliveries.sending.rendering_thread import RenderingThread
from deliveries.sending.slow_webhooks import SLOW_SHARE, SlowWebhooks
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.logs import get_logger

log = get_logger(__name__)

ASKING_THREADS = 16
"""Deliveries whose source is asked for the resource as it is now, or that are given back, at once."""
FAST = 1.0
"""Seconds for which an open request counts as one whose outcome comes soon."""


@dataclass(slots=True)
class Sent:
    """A request that was made, and its outcome. Monotonic seconds; `request` is None when it couldn't be rendered."""

    row: Claimed
    request: Request | None
    outcome: Outcome
    started: float
    finished: float


class Sender:
    """Renders claimed deliveries and hands them to the transport, whose one thread carries them all.

    `sent` receives each outcome, `unsent` each row that was not sent: its claim no longer covers the deadline, or the
    process is stopping. `finished` follows, once the row's slot is free. After a request that was sent they are called
    on the transport's thread, so they must be quick; `unsent`, which may ask the database, never is.
    """

    def __init__(
        self, *, sent: Callable[[Sent], None], unsent: Callable[[Claimed], None], finished: Callable[[], None]
    ) -> None:
        self._sent = sent
        self._unsent = unsent
        self._finished = finished
        self._open: dict[int, tuple[float, Claimed]] = {}
        self._slow = SlowWebhooks()
        self._shares = MerchantShares()
        self._lock = threading.Lock()
        self._waiting = ThreadPoolExecutor(ASKING_THREADS, thread_name_prefix="ask")
        self._rendering = RenderingThread()
        self.loaded_bytes = 0
        self.stopping = False

    @property
    def open(self) -> int:
        """How many rows were submitted and are not finished."""
        return len(self._open)

    @property
    def fast_open(self) -> int:
        """How many of them are younger than FAST seconds: their outcomes are to come soon."""
        since = time.monotonic() - FAST
        with self._lock:
            return sum(1 for submitted, _row in self._open.values() if submitted > since)

    def free(self) -> int:
        """Return how many more rows may be submitted."""
        with self._lock:
            return max(0, open_requests_max() - len(self._open))

    def share(self) -> Share:
        """Return what a claim may give to each merchant now."""
        with self._lock:
            places = open_requests_max()
            return self._shares.share(places, max(0, places - len(self._open)), time.monotonic())

    def open_of(self, merchant_id: int) -> int:
        """Return how many rows of a merchant were submitted and are not finished."""
        return self._shares.open(merchant_id)

    def divide(self, webhook_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return those of these webhooks that may have any free place, and slow ones, which share `slow_free`.

        Among these are those of which so much waits to be rendered already that they get none for now: see `behind`.
        """
        with self._lock:
            self._slow.look(time.monotonic())  # some may have begun to hang just now
            quick, slow = self._slow.divide(webhook_ids)
        behind = self.behind(quick)
        return ([pk for pk in quick if pk not in behind], [*slow, *behind]) if behind else (quick, slow)

    def behind(self, webhook_ids: Iterable[int]) -> set[int]:
        """Return those of these webhooks of which nothing more is to be claimed: too much waits to be rendered."""
        return self._rendering.behind(webhook_ids)

    def slow_free(self) -> int:
        """Return how many places are free for rows of slow webhooks."""
        with self._lock:
            self._slow.look(time.monotonic())
            return max(0, _slow_places() - self._slow.open)

    def slow_starts(self) -> int:
        """Return how many more rows of slow webhooks may be submitted now."""
        with self._lock:
            now = time.monotonic()
            self._slow.look(now)
            return self._slow.may_start(_slow_places(), now)

    def may_take_slow(self, webhook_ids: Collection[int]) -> bool:
        """Tell whether there is a place for any of these slow webhooks, now or soon."""
        return self.slow_free() > 0 and len(self.behind(webhook_ids)) < len(webhook_ids)

    def has_poison_candidate(self) -> bool:
        """Tell whether a delivery whose worker died twice is being sent here now."""
        with self._lock:
            return any(row.is_poison_candidate for _submitted, row in self._open.values())

    def submit(self, rows: Sequence[Claimed]) -> None:
        """Send these rows. They are rendered here, unless they run expressions or their source has to be asked."""
        now = time.monotonic()
        with self._lock:
            for row in rows:
                self._open[row.delivery_id] = (now, row)
                self._shares.opened(row.webhook.merchant_id, now)
                self._slow.opened(row.delivery_id, row.webhook.webhook_id, now)
                self.loaded_bytes += row.size
        for row in rows:
            if resolvers.may_ask(row) or not self._may_send(row):
                self._waiting.submit(self._start, row)
            elif runs_expressions(row.webhook):
                self._in_turn(row, partial(self._start_in_turn, row))
            else:
                self._start(row)

    def drain(self, seconds: float) -> bool:
        """Wait for what has left. True when nothing is open any more."""
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._open

    def _in_turn(self, row: Claimed, job: Callable[[], None]) -> None:
        self._rendering.submit(row.webhook.merchant_id, row.webhook.webhook_id, job)

    def _start_in_turn(self, row: Claimed) -> None:
        """Start a row whose merchant's turn has come, which may be too late: giving it back asks the database."""
        if self._may_send(row):
            self._start(row)
        else:
            self._waiting.submit(self._start, row)

    def _start(self, row: Claimed) -> None:
        """Render a row and hand it to the transport, or report why not."""
        try:
            made = self._make(row)
            if isinstance(made, Request):
                self._carry(row, made)
                return
            if made is None:
                self._unsent(row)
            else:
                self._sent(made)
        except Exception:  # nothing was sent: the claim runs out and the delivery is claimed again; others go on
            log.exception("send_failed", **row.named)
        self._close(row)

    def _carry(self, row: Claimed, request: Request) -> None:
        started = time.monotonic()
        request, span = tracing.begin(row, request)

        def done(outcome: Outcome, sent: Request | None) -> None:
            finished = time.monotonic()
            with self._lock:
                self._slow.note(row.webhook.webhook_id, finished - started)
            try:
                outcome = destinations.get(row.webhook.kind).outcome(outcome, row.webhook)
                tracing.end(span, outcome)
                shown = without_echo(outcome, sent or request, row.webhook.hidden)
                self._sent(Sent(row, sent, shown, started, finished))
            except Exception:  # on the transport's thread, which must go on; the claim runs out as a dead worker's does
                log.exception("send_failed", **row.named)
            self._close(row)

        def may_send() -> bool:
            return self._may_send(row)

        def too_late() -> None:  # giving a row back asks the database: not on the transport's thread
            self._waiting.submit(self._give_back, row)

        carrying.submit(request, row.webhook, done, may_send=may_send, too_late=too_late)

    def _give_back(self, row: Claimed) -> None:
        try:
            self._unsent(row)
        except Exception:  # its claim runs out
            log.exception("release_failed", **row.named)
        self._close(row)

    def _close(self, row: Claimed) -> None:
        with self._lock:
            self._open.pop(row.delivery_id, None)
            self._shares.closed(row.webhook.merchant_id)  # once a submission: a row may be claimed again while open
            self._slow.closed(row.delivery_id)
            self.loaded_bytes -= row.size
        self._finished()

    def _may_send(self, row: Claimed) -> bool:
        """Tell whether the claim still covers the request's whole deadline: two workers never send one row at once."""
        return (
            not self.stopping and clock.at(time.monotonic()) + timedelta(seconds=row.webhook.timeout) <= row.expires_at
        )

    def _make(self, row: Claimed) -> Request | Sent | None:
        """Make the request, or the outcome of one that can't be made; None when it must not be sent any more."""
        if not self._may_send(row):
            return None
        started = time.monotonic()
        try:
            request = self._render(row, started)
        except TooLarge as error:
            return _unmade(row, str(error), started, ErrorClass.TOO_LARGE, permanent=True)
        except NotTransformed as error:
            return _unmade(row, str(error), started, ErrorClass.TRANSFORMATION_FAILED, permanent=True)
        except ValueError as error:
            return _unmade(row, f"The request could not be made: {error}", started, permanent=True)
        except Exception as error:
            log.exception("render_failed", **row.named)
            what = type(error).__name__
            return _unmade(row, f"The request could not be made ({what}); the sender's log says why.", started)
        if resolvers.may_ask(row) and not self._may_send(row):  # a source's resolver takes as long as it takes
            took = time.monotonic() - started
            why = f"The source took {took:.1f} s to give the resource as it is now, so this attempt was not sent."
            return None if self.stopping else _unmade(row, why, started)
        return request

    def _render(self, row: Claimed, started: float) -> Request:
        if not resolvers.may_ask(row):
            return render(row, row.data, clock.at(started))
        data = resolvers.freshest(row)
        if not runs_expressions(row.webhook):
            return render(row, data, clock.at(started))
        made: Future[Request] = Future()

        def make() -> None:
            try:
                made.set_result(render(row, data, clock.at(started)))
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                made.set_exception(error)

        self._in_turn(row, make)
        return made.result()


def _slow_places() -> int:
    return int(open_requests_max() * SLOW_SHARE)


def _unmade(
    row: Claimed, detail: str, started: float, error: ErrorClass = ErrorClass.INTERNAL, *, permanent: bool = False
) -> Sent:
    outcome = Outcome(error=error, detail=detail, total_ms=0.0, permanent=permanent)
    return Sent(row, None, outcome, started, time.monotonic())
