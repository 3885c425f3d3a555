"""What the engine promises of every delivery, as plain Python: no database, no clock, no network.

Time goes in steps, each far longer than a claim lasts and than an example of the machine runs. Each method is something
that happens and says what must come of it; where the product does otherwise, one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deliveries.reasons import ReasonCode
from tests.promises.rows import (
    CANCELLED,
    CLOSED,
    DEAD,
    DISCARDED,
    HELD,
    LONG_BEFORE,
    OPEN,
    PENDING,
    RETRYING,
    SECRETS_MAX,
    SKIPPED,
    Hook,
    Number,
    Refused,
    Row,
)
from tests.promises.sending import Sending


class Model(Sending):
    """Everything that was promised so far."""

    # --- publishing ---------------------------------------------------------------------------------------------------

    def listeners(self) -> list[Hook]:
        return [hook for hook in self.hooks.values() if not hook.deleted]

    def published(self, event: int, public_id: str, resource: str, number: Number, keys: Mapping[int, int]) -> int:
        """An event was accepted; `keys` are its deliveries by webhook. Returns how many of them are sent."""
        assert set(keys) == {hook.key for hook in self.listeners()}, "an accepted event has a delivery for each webhook"
        self.events[event] = public_id
        for hook_key, key in keys.items():
            hook = self.hooks[hook_key]
            line = hook.line_of(resource)
            why = self._why_skipped(hook, resource, number)
            status, due = (SKIPPED, None) if why else (PENDING, self.now if line is None else HELD)
            self.rows[key] = Row(key, event, hook, line, status, due, self.now, why)
        return sum(self.rows[key].status == PENDING for key in keys.values())

    def _why_skipped(self, hook: Hook, resource: str, number: Number) -> str:
        if not hook.enabled:
            return ReasonCode.DISABLED_AT_PUBLISH
        refusal = hook.refuses(number)
        return refusal or (ReasonCode.DEBOUNCED if hook.repeats(resource, number) else "")

    # --- the webhook changes ------------------------------------------------------------------------------------------

    def enable(self, hook: Hook) -> None:
        if not hook.enabled:
            hook.enabled = True
            hook.last_sent.clear()

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
        return {hook.key for hook in due if hook.sends(self.now) and self.places(hook)}, off

    # --- people decide ------------------------------------------------------------------------------------------------

    def may_replay(self, row: Row) -> bool:
        return row.status in CLOSED and row.hook.enabled and row.event not in self.expunged

    def replay(self, row: Row) -> None:
        if not self.may_replay(row):
            raise Refused
        row.status, row.due, row.token = RETRYING, self.now if row.line is None else HELD, None
        row.tries, row.orphaned_attempts, row.replays = 0, 0, row.replays + 1
        row.closed_long_ago, row.why = False, ""
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
        row.hook.last_sent.clear()
        row.resolve("discarded")

    def cancel(self, row: Row) -> None:
        if row.status not in {PENDING, RETRYING}:
            raise Refused
        row.close(CANCELLED, ReasonCode.CANCELLED)

    def expunge(self, event: int) -> None:
        rows = [row for row in self.rows.values() if row.event == event]
        if any(map(self.in_flight, rows)):
            raise Refused
        self.expunged.add(event)
        for row in rows:
            if row.status == DEAD:
                self.discard(row)
            elif row.status in OPEN:
                row.close(CANCELLED, ReasonCode.EXPUNGED)

    # --- retention ----------------------------------------------------------------------------------------------------

    def age(self, events: Collection[int]) -> None:
        """Let the events, and what is closed of their deliveries, be older than anything is kept."""
        self.old |= set(events)
        for row in self.rows.values():
            if row.event in events:
                row.closed_long_ago, row.born = row.status in CLOSED, row.born - LONG_BEFORE

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
