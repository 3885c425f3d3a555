"""What the engine promises of every delivery, as plain Python: no database, no clock, no network.

Time goes in steps, each far longer than a claim lasts and than an example of the machine runs. Each method is something
that happens and says what must come of it; where the product does otherwise, one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tests.promises.rows import (
    CANCELLED,
    CLOSED,
    DEAD,
    DELIVERED,
    DISCARDED,
    HELD,
    OPEN,
    ORPHANED_ATTEMPTS_MAX,
    PENDING,
    RETRYING,
    SECRETS_MAX,
    SENDING,
    SKIPPED,
    Answer,
    Flight,
    Hook,
    Refused,
    Row,
)


class Model:
    """Everything that was promised so far."""

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

    # --- publishing ---------------------------------------------------------------------------------------------------

    def listeners(self) -> list[Hook]:
        return [hook for hook in self.hooks.values() if not hook.deleted]

    def published(self, event: int, public_id: str, resource: str, keys: Mapping[int, int]) -> None:
        """An event was accepted; `keys` are its deliveries by webhook."""
        assert set(keys) == {hook.key for hook in self.listeners()}, "an accepted event has a delivery for each webhook"
        self.events[event] = public_id
        for hook_key, key in keys.items():
            hook = self.hooks[hook_key]
            line = hook.line_of(resource)
            status, due = (PENDING, self.now if line is None else HELD) if hook.enabled else (SKIPPED, None)
            self.rows[key] = Row(key, event, hook, line, status, due)

    # --- claiming and sending -----------------------------------------------------------------------------------------

    def claimable(self, hook: Hook) -> list[Row]:
        return [row for row in self.of(hook) if row.due is not None and row.due <= self.now]

    def takes(self, hooks: Iterable[Hook], order: Mapping[int, Any]) -> list[Row]:
        """Return what a look at these webhooks finds: of each as many due rows as it has free places, in order."""
        found: list[Row] = []
        for hook in hooks:
            if hook.sends(self.now):
                places = min(hook.window, hook.cap) - sum(map(self.in_flight, self.of(hook)))
                places = min(places, 1) if hook.step_rate else places
                found += sorted(self.claimable(hook), key=lambda row: order[row.key])[: max(0, places)]
        return sorted(found, key=lambda row: order[row.key])

    def claim(self, hooks: Iterable[Hook], limit: int, order: Mapping[int, Any]) -> list[Row]:
        """Claim what is due; return what is to be sent.

        `order` tells which of the due rows is due first. Where a look meets a claim that ran out, all of that webhook's
        are taken back, those that wore out their workers go to review, and the webhook is looked at once more.
        """
        found = self.takes(hooks, order)
        to_send = [row for row in found if row.status != SENDING][:limit]
        self._begin(to_send)
        orphaned = {row.hook.key: row.hook for row in found if row.status == SENDING and row not in to_send}
        for hook in orphaned.values():
            for row in self.claimable(hook):
                if row.status == SENDING:
                    self._take_back(row)
        more = self.takes(orphaned.values(), order)[: limit - len(to_send)]
        self._begin(more)
        return to_send + more

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

    def move_on(self) -> None:
        """Make the first of each line due, unless another of its line is on its way; one in review lets nobody pass."""
        lines: dict[tuple[int, str], list[Row]] = {}
        for row in sorted(self.rows.values(), key=lambda row: row.key):
            if row.line is not None and row.status in OPEN | {DEAD}:
                lines.setdefault((row.hook.key, row.line), []).append(row)
        for first, *others in lines.values():
            if first.due == HELD and all(row.due == HELD or row.status == DEAD for row in others):
                first.due = self.now

    # --- the webhook changes ------------------------------------------------------------------------------------------

    def close_open(self, hook: Hook) -> None:
        """Close what nobody will send; what is being sent is left to its outcome."""
        for row in self.of(hook):
            if row.status in OPEN and not self.in_flight(row):
                row.close(CANCELLED if hook.deleted else SKIPPED)

    def disable(self, hook: Hook) -> None:
        if hook.enabled:
            hook.enabled = False
            self.close_open(hook)

    def delete(self, hook: Hook) -> None:
        if not hook.deleted:
            hook.deleted, hook.enabled = True, False
            self.close_open(hook)
            for row in self.of(hook):
                if row.status == DEAD:
                    self.discard(row)

    def rotate(self, hook: Hook, text: str) -> None:
        """Add a secret; of the others the newest two go on signing until the next step, the rest end."""
        kept = hook.signs_with(self.now)[-(SECRETS_MAX - 1) :]
        hook.secrets = {each: hook.secrets[each] or self.now + 1 for each in kept} | {text: None}

    def due_webhooks(self) -> tuple[set[int], set[int]]:
        """Return what a sweep must find: webhooks to wake, and webhooks to close."""
        due = [hook for hook in self.hooks.values() if self.claimable(hook)]
        held = [row.hook for row in self.rows.values() if row.due == HELD]
        off = {hook.key for hook in [*due, *held] if not hook.enabled}
        return {hook.key for hook in due if hook.sends(self.now)}, off

    # --- people decide ------------------------------------------------------------------------------------------------

    def may_replay(self, row: Row) -> bool:
        return row.status in CLOSED and row.hook.enabled and row.event not in self.expunged

    def replay(self, row: Row) -> None:
        if not self.may_replay(row):
            raise Refused
        row.status, row.due, row.token = RETRYING, self.now if row.line is None else HELD, None
        row.tries, row.orphaned_attempts, row.replays = 0, 0, row.replays + 1
        row.closed_long_ago = False
        row.resolve("replayed")

    def retry(self, row: Row) -> None:
        if row.status != RETRYING or row.due is None or row.due == HELD:
            self.replay(row)
        else:
            row.due = min(row.due, self.now)

    def discard(self, row: Row) -> None:
        if row.status != DEAD:
            raise Refused
        row.status, row.closed_long_ago = DISCARDED, False
        row.resolve("discarded")

    def cancel(self, row: Row) -> None:
        if row.status not in {PENDING, RETRYING}:
            raise Refused
        row.close(CANCELLED)

    def expunge(self, event: int) -> None:
        rows = [row for row in self.rows.values() if row.event == event]
        if any(map(self.in_flight, rows)):
            raise Refused
        self.expunged.add(event)
        for row in rows:
            if row.status == DEAD:
                self.discard(row)
            elif row.status in OPEN:
                row.close(CANCELLED)

    # --- retention ----------------------------------------------------------------------------------------------------

    def age(self, events: Collection[int]) -> None:
        """Let the events, and what is closed of their deliveries, be older than anything is kept."""
        self.old |= set(events)
        for row in self.rows.values():
            if row.event in events:
                row.closed_long_ago = row.status in CLOSED

    def purge(self) -> None:
        """Forget what is old and over; what is open or in review stays, and its event with it."""
        for event in self.old & set(self.events):
            rows = [row for row in self.rows.values() if row.event == event]
            needed = any(row.status in OPEN | {DEAD} for row in rows)
            for row in rows:
                if not needed or (row.status in CLOSED - {DEAD} and row.closed_long_ago):
                    del self.rows[row.key]
            if not needed:
                del self.events[event]
        self.flights = [flight for flight in self.flights if flight.row.key in self.rows]
