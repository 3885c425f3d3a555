"""Carries exchanges from name to answer: which connection, which address, when to try again, what the end means.

Everything here runs on the transport's thread; nothing here waits.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import Any

import pycurl

from . import pool as pool_rules
from .addresses import AddressPolicy
from .answer import HEAD_TOO_LARGE, TOO_LONG
from .connection import Connection
from .describe import describe, failed
from .exchange import Exchange
from .faults import (
    BROKE_OFF,
    CUT,
    NOT_CONNECTED,
    SPOILT,
    WITHOUT_ANSWER,
    is_spoilt,
    no_answer,
    no_connection,
    note_failure,
    out_of_time,
)  # fmt: skip
from .idle_connections import IdleConnections
from .lookups import Pending
from .loop import Loop
from .outcome import ErrorClass, Fault, Outcome
from .pins import Pins
from .pool import ConnectionPool
from .resolver import Resolver, vetted

log = logging.getLogger(__name__)

RESEND_WITHIN_SECONDS = 1.0
"""A kept connection that breaks later than this after the request was not the keep-alive race."""
MAX_ADDRESSES_TRIED = 4
"""So many addresses of a name are tried before a connect is given up."""


class Transfers:
    """Carries exchanges over kept and new connections, on a loop of its own."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, pool: ConnectionPool, ca_file: str | None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._pool = pool
        self._pins = Pins()
        self.loop = Loop(ended=self._on_end, flooded=self._on_flood, round_over=self._pins.round_over)
        self.idle = IdleConnections(self.loop, pool, ca_file, moved_on=self._move_on)
        self.loop.stirred, self.loop.closing = self.idle.on_stir, self.idle.close_idle

    def begin(self, exchange: Exchange) -> None:
        """Start an exchange: over a kept connection that has rested, else over a new one."""
        exchange.timer = self.loop.call_at(exchange.deadline, self._on_deadline, exchange)
        self._step(exchange, self._route)

    def _step(self, exchange: Exchange, step: Callable[..., None], *args: Any) -> None:
        """Take a step of an exchange; what it raises ends the exchange, and nothing else."""
        if exchange.finished:
            return
        try:
            try:
                step(exchange, *args)
            except Fault as fault:
                self._finish(exchange, failed(exchange, fault))
        except Exception:  # a fault of ours ends this exchange with an outcome, not the thread that carries the others
            log.exception("transport failed on its own account", extra={"host": exchange.target.host})
            detail = "The sender failed; its log says why."
            self._finish(exchange, Outcome(error=ErrorClass.INTERNAL, detail=detail, total_ms=0.0))

    def _finish(self, exchange: Exchange, outcome: Outcome) -> None:
        exchange.finished = True
        self.loop.cancel(exchange.timer)
        self.loop.cancel(exchange.connect_timer)
        try:
            exchange.done(outcome)
        except Exception:
            log.exception("transport: a callback failed")

    # Which connection

    def _route(self, exchange: Exchange) -> None:
        key = exchange.key
        if key is not None and not exchange.fresh and exchange.request.method == "POST":
            connection = self._pool.take(key, time.monotonic())
            if connection is not None:
                self._reuse(exchange, connection)
                return
            connection = self._pool.reserve(key, exchange)
            if connection is not None:
                self.loop.call_at(
                    connection.idle_since + pool_rules.REST_SECONDS, self._on_rested, exchange, connection
                )
                return
        self._resolve(exchange)

    def _on_rested(self, exchange: Exchange, connection: Connection) -> None:
        if connection.reserved is exchange:
            connection.reserved = None
            if not exchange.finished:
                self._pool.take_reserved(connection)
                self._step(exchange, self._reuse, connection)

    def _move_on(self, exchange: Exchange) -> None:
        """Go on with an exchange whose reserved connection has ended before its turn."""
        self._step(exchange, self._resolve)

    def _reuse(self, exchange: Exchange, connection: Connection) -> None:
        connection.reuse(exchange)
        exchange.launched = time.monotonic()
        self.loop.launch(connection)

    # Name, address, connect

    def _resolve(self, exchange: Exchange) -> None:
        target = exchange.target
        if target.endpoint is not None:
            exchange.endpoints = [target.endpoint]
            self._connect(exchange)
            return
        exchange.dns_started = time.monotonic()
        exchange.lookup = pending = self._resolver.begin(target.host, target.port, exchange.request.lookup_owner)
        exchange.connect_timer = self.loop.call_at(exchange.connect_by, self._step, exchange, self._name_late, pending)
        pending.future.add_done_callback(lambda _: self.loop.post(self._step, exchange, self._named, pending))

    def _name_late(self, exchange: Exchange, pending: Pending) -> None:
        if exchange.lookup is pending:
            self._stop_waiting(exchange)
            assert exchange.dns_started is not None
            raise self._resolver.give_up(pending, max(0.0, exchange.connect_by - exchange.dns_started))

    def _named(self, exchange: Exchange, pending: Pending) -> None:
        if exchange.lookup is pending:
            self._stop_waiting(exchange)
            exchange.endpoints = vetted(pending, self._policy)[:MAX_ADDRESSES_TRIED]
            self._connect(exchange)

    def _stop_waiting(self, exchange: Exchange) -> None:
        assert exchange.dns_started is not None
        self.loop.cancel(exchange.connect_timer)
        exchange.lookup = None
        exchange.dns_ms = (time.monotonic() - exchange.dns_started) * 1000

    def _connect(self, exchange: Exchange) -> None:
        """Try an address. Each gets an equal share of what is left, so that a black hole leaves time for the others."""
        now = time.monotonic()
        if exchange.connected_from is None:
            exchange.connected_from = now
        left = exchange.connect_by - now
        if left <= 0:
            raise no_connection(exchange, exchange.failure or errno.ETIMEDOUT)
        key = exchange.key
        keep = key is not None and exchange.request.method == "POST" and self._pool.may_keep(key, now)
        connection = self.idle.blank()
        connection.open(exchange, exchange.endpoints[exchange.position], self._pins, keep=keep)
        share = left / (len(exchange.endpoints) - exchange.position)
        exchange.connect_timer = self.loop.call_at(now + share, self._step, exchange, self._connect_late, connection)
        exchange.launched = now
        self.loop.launch(connection)

    def _connect_late(self, exchange: Exchange, connection: Connection) -> None:
        if exchange.connection is connection and not connection.is_connected:
            self.loop.withdraw(connection)
            self._try_next(exchange, connection, errno.ETIMEDOUT)

    def _try_next(self, exchange: Exchange, connection: Connection, failure: int) -> None:
        note_failure(exchange, failure)
        self.loop.cancel(exchange.connect_timer)
        exchange.position += 1
        if exchange.position < len(exchange.endpoints):
            self.idle.recycle(connection)
            self._connect(exchange)
            return
        outcome = failed(exchange, no_connection(exchange, exchange.failure))
        self.idle.recycle(connection)
        self._finish(exchange, outcome)

    # The end of a transfer

    def _on_end(self, connection: Connection, code: int, message: str) -> None:
        key = connection.key
        spoilt = code == pycurl.E_OK and key is not None and key[1] == "https" and connection.holds_more()
        self.loop.withdraw(connection)
        self._conclude(connection, code, message, spoilt=spoilt)

    def _on_flood(self, connection: Connection) -> None:
        self.loop.withdraw(connection)
        answer = connection.answer
        if answer.complete:
            answer.note = TOO_LONG
        else:
            answer.fault = HEAD_TOO_LARGE
        self._conclude(connection, pycurl.E_WRITE_ERROR, "")

    def _conclude(self, connection: Connection, code: int, message: str, *, spoilt: bool = False) -> None:
        exchange = connection.exchange
        assert exchange is not None
        answer = connection.answer
        if answer.complete and not answer.fault:
            note = None if code == pycurl.E_OK else BROKE_OFF
        elif is_spoilt(answer, code, message):
            note = SPOILT
        else:
            self._step(exchange, self._unanswered, connection, code, message)
            return
        self._step(exchange, self._answered, connection, note)
        if note is None and answer.note is None and connection.key is not None and self.loop.watch_idle(connection):
            self.idle.keep(connection, spoilt=spoilt)
        else:
            self.idle.recycle(connection)

    def _answered(self, exchange: Exchange, connection: Connection, note: str | None) -> None:
        self._finish(exchange, describe(exchange, connection.answer, note))

    def _unanswered(self, exchange: Exchange, connection: Connection, code: int, message: str) -> None:
        """End an exchange that got no answer, or try it again.

        An endpoint closes idle connections when it pleases. One closed before we look is noticed and replaced; one
        closed while the request is on its way resets it, with nothing to tell whether it was read. RFC 9112 §9.3.1
        lets a client repeat such a request if it knows it to be idempotent; ours is, by the message id that receivers
        deduplicate by, and delivery is promised at least once. Counting it as a failed attempt would spend a retry and
        5 s on a race that only we ran into. So: once, on a new connection, only if the old one was kept, and broke at
        once; and `Outcome.resent` tells. The same goes for what is no answer, or half of one, on a kept connection: it
        may belong to the request before.
        """
        if code in NOT_CONNECTED and not connection.reused:
            self._try_next(exchange, connection, exchange.failure or int(connection.curl.getinfo(pycurl.OS_ERRNO)))
            return
        if code in NOT_CONNECTED and not connection.curl.getinfo(pycurl.REQUEST_SIZE):
            self.idle.recycle(connection)  # closed before it was used again
            exchange.restart()
            self._route(exchange)
            return
        # libcurl tries again by itself where a kept connection broke without a byte, and was refused a socket for that
        fault = WITHOUT_ANSWER if code in NOT_CONNECTED else no_answer(exchange, connection, code, message)
        if fault.error is ErrorClass.INTERNAL:
            log.error("transport: libcurl failed: %s %s", code, message)
        outcome = None if self._may_resend(exchange, connection, fault) else failed(exchange, fault)
        if connection.reused and fault.error is ErrorClass.INVALID_RESPONSE and connection.key is not None:
            self.idle.distrust(connection.key)
        self.idle.recycle(connection)
        if outcome is not None:
            self._finish(exchange, outcome)
            return
        exchange.restart()
        exchange.fresh = exchange.resent = True
        self._route(exchange)

    def _may_resend(self, exchange: Exchange, connection: Connection, fault: Fault) -> bool:
        if not connection.reused or exchange.resent:
            return False
        in_time = time.monotonic() - exchange.launched <= RESEND_WITHIN_SECONDS
        return in_time and fault.error in (ErrorClass.CONNECTION_RESET, ErrorClass.INVALID_RESPONSE)

    def _on_deadline(self, exchange: Exchange) -> None:
        connection = exchange.connection
        if exchange.lookup is not None:
            self._step(exchange, self._name_late, exchange.lookup)
        elif connection is None or connection.exchange is not exchange:
            self._step(exchange, self._cut, None)
        else:
            self._step(exchange, self._cut, connection)
            self.loop.withdraw(connection)
            self.idle.recycle(connection)

    def _cut(self, exchange: Exchange, connection: Connection | None) -> None:
        if connection is None or not connection.answer.complete:
            raise out_of_time(exchange, connection)
        self._answered(exchange, connection, CUT)
