"""The promises of claims and outcomes: who sends what when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deliveries.reasons import ReasonCode
from tests.promises.rows import (
    CANCELLED,
    DEAD,
    DELIVERED,
    HELD,
    OPEN,
    ORPHANED_ATTEMPTS_MAX,
    PENDING,
    RETRYING,
    SENDING,
    SKIPPED,
    Answer,
    Flight,
    Hook,
    Row,
)


class Sending:
    """What was promised so far, and what claims and outcomes make of it."""

    def __init__(self) -> None:
        self.now = 0
        self.hooks: dict[int, Hook] = {}
        self.rows: dict[int, Row] = {}
        self.events: dict[int, str] = {}
        self.expunged: set[int] = set()
        self.old: set[int] = set()
        self.flights: list[Flight] = []
        self.logged: dict[int, str] = {}

    def of(self, hook: Hook) -> list[Row]:
        return [row for row in self.rows.values() if row.hook is hook]

    def in_flight(self, row: Row) -> bool:
        return row.status == SENDING and row.due is not None and row.due > self.now

    # --- claiming and sending -----------------------------------------------------------------------------------------

    def claimable(self, hook: Hook) -> list[Row]:
        return [row for row in self.of(hook) if row.due is not None and row.due <= self.now]

    def places(self, hook: Hook) -> int:
        return max(0, min(hook.window, hook.cap) - sum(map(self.in_flight, self.of(hook))))

    def takes(self, hooks: Iterable[Hook], order: Mapping[int, Any]) -> list[Row]:
        """Return what a look at these webhooks finds: of each as many due rows as it has free places, in order."""
        found: list[Row] = []
        for hook in hooks:
            if hook.sends(self.now):
                places = min(self.places(hook), 1) if hook.step_rate else self.places(hook)
                found += sorted(self.claimable(hook), key=lambda row: order[row.key])[:places]
        return sorted(found, key=lambda row: order[row.key])

    def claim(self, hooks: Iterable[Hook], limit: int, order: Mapping[int, Any]) -> list[Row]:
        """Claim what is due; return what is to be sent.

        `order` tells which of the due rows is due first. Where a look meets a claim that ran out, all of that webhook's
        are taken back, those that wore out their workers go to review, and the webhook is looked at once more.
        """
        to_send, orphaned = self._look(hooks, limit, order)
        for hook in orphaned:
            for row in self.claimable(hook):
                if row.status == SENDING:
                    self._take_back(row)
        self.move_on()
        more, _orphaned = self._look(orphaned, limit - len(to_send), order)
        return to_send + more

    def _look(self, hooks: Iterable[Hook], limit: int, order: Mapping[int, Any]) -> tuple[list[Row], list[Hook]]:
        """Claim what one look finds; where it meets what is too old, all of that webhook's is closed.

        Returns also the webhooks with claims that ran out.
        """
        found = self.takes(hooks, order)
        orphaned = {row.hook.key: row.hook for row in found if row.status == SENDING}
        old = {row.hook.key: row.hook for row in found if row.status != SENDING and row.is_too_old(self.now)}
        to_send = [row for row in found if row.status != SENDING and not row.is_too_old(self.now)][:limit]
        self._begin(to_send)
        for hook in old.values():
            self._close_old(hook)
        self.move_on()
        return to_send, list(orphaned.values())

    def _close_old(self, hook: Hook) -> None:
        """Cancel what is due and too old, and what is as old behind it in its line."""
        old = [row for row in self.of(hook) if row.status in {PENDING, RETRYING} and row.is_too_old(self.now)]
        due = [row for row in old if row.due is not None and row.due <= self.now]
        lines = {row.line for row in due if row.line is not None}
        for row in old:
            if row in due or (row.due == HELD and row.line in lines):
                row.expire()

    def _begin(self, rows: Iterable[Row]) -> None:
        for row in rows:
            assert not any(flight.until > self.now for flight in self.flights if flight.row is row), (
                "sent twice at once"
            )
            if row.hook.step_rate:
                row.hook.blocked_until = self.now + 1
            row.status, row.due = SENDING, self.now + 1

    def take_back_of_paused(self) -> None:
        """A sweep takes back the claims that ran out where no claim comes by."""
        for hook in self.hooks.values():
            if hook.paused and hook.enabled and not hook.deleted:
                for row in self.claimable(hook):
                    if row.status == SENDING:
                        self._take_back(row)

    def _take_back(self, row: Row) -> None:
        row.interrupted()
        row.orphaned_attempts += 1
        row.token = None
        if row.orphaned_attempts >= ORPHANED_ATTEMPTS_MAX:
            row.close(DEAD)
        elif row.is_too_old(self.now):
            row.expire()
        else:
            row.status = RETRYING

    def release(self, flights: Sequence[Flight], wait: int) -> None:
        for flight in flights:
            self.flights.remove(flight)
            row = flight.row
            if row.token == flight.token:
                row.status = RETRYING if row.tries + row.replays else PENDING
                row.token, row.due = None, self.now + wait

    def record(self, answers: Sequence[tuple[Flight, Answer]]) -> None:
        for flight, answer in sorted(answers, key=lambda each: not each[1].delivered):
            self.flights.remove(flight)
            self._move(flight, answer)
            flight.row.told(flight.attempt, DELIVERED if answer.delivered else "failed")
            flight.row.attempts = max(flight.row.attempts, flight.attempt)
        for flight, answer in answers:
            if answer.gone and flight.row.hook.enabled:
                self.disable(flight.row.hook)
        for hook in {flight.row.hook.key: flight.row.hook for flight, _ in answers}.values():
            of_hook = [(flight, answer) for flight, answer in answers if flight.row.hook is hook]
            hook.window = max(flight.window for flight, _ in of_hook)
            for _, answer in of_hook:
                hook.window = 1 if answer.silent else min(hook.window * 2, hook.cap)

    def _move(self, flight: Flight, answer: Answer) -> None:
        row, ours = flight.row, flight.row.token == flight.token
        if not ours and not (answer.delivered and row.status in OPEN):
            return
        row.orphaned_attempts = 0
        if ours:
            row.tries, row.token = row.tries + 1, None
            row.attempts += 1
        if answer.delivered:
            row.close(DELIVERED)
        elif answer.final or answer.gone or row.tries > len(row.hook.delays):
            row.close(DEAD)
        else:
            row.status = RETRYING
            row.due = self.now + max(row.hook.delays[row.tries - 1], answer.wait)

    def close_open(self, hook: Hook) -> None:
        """Close what nobody will send; what is being sent is left to its outcome."""
        for row in self.of(hook):
            if row.status in OPEN and not self.in_flight(row):
                how = (
                    (CANCELLED, ReasonCode.WEBHOOK_DELETED) if hook.deleted else (SKIPPED, ReasonCode.WEBHOOK_DISABLED)
                )
                row.close(*how)

    def disable(self, hook: Hook) -> None:
        if hook.enabled:
            hook.enabled = False
            hook.last_sent.clear()
            self.close_open(hook)

    def move_on(self) -> None:
        """Make the first of each line due, unless another of its line is on its way; one in review lets nobody pass."""
        lines: dict[tuple[int, str], list[Row]] = {}
        for row in sorted(self.rows.values(), key=lambda row: row.key):
            if row.line is not None and row.status in OPEN | {DEAD}:
                lines.setdefault((row.hook.key, row.line), []).append(row)
        for first, *others in lines.values():
            if first.due == HELD and all(row.due == HELD or row.status == DEAD for row in others):
                first.due = self.now
