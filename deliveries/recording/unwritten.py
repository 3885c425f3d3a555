"""Outcomes that wait to be written: merchants have turns at half of each chunk, the other half goes by age."""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque

from deliveries.sending.sender import Sent

IN_TURN = 0.5
"""The part of a chunk at which merchants have turns. The rest goes to the oldest: no outcome of a merchant with many
waits for longer than twice what it would if all went by age, and so no claim runs out for it."""


class UnwrittenOutcomes:
    """Outcomes in the order of their arrival, and by merchant. Not safe between threads: its owner holds a lock.

    A merchant with a thousand of them would otherwise hold up another's only one, and the place of its webhook.
    """

    def __init__(self) -> None:
        self._serial = itertools.count()
        self._by_age: OrderedDict[int, Sent] = OrderedDict()  # by number of arrival
        self._lines: OrderedDict[int, deque[int]] = OrderedDict()  # merchant → its numbers; whose turn is next is first

    def __len__(self) -> int:
        return len(self._by_age)

    def add(self, sent: Sent) -> None:
        """Put an outcome behind all others."""
        number = next(self._serial)
        self._by_age[number] = sent
        self._lines.setdefault(sent.row.webhook.merchant_id, deque()).append(number)

    def oldest(self) -> Sent | None:
        """Return the one that arrived first."""
        return next(iter(self._by_age.values()), None)

    def take(self, limit: int) -> list[Sent]:
        """Remove and return the outcomes of a chunk: up to `limit`, each merchant's in the order of arrival."""
        if len(self._by_age) <= limit:
            taken = list(self._by_age.values())
            self._by_age.clear()
            self._lines.clear()
            return taken
        taken = [self._first_of(next(iter(self._lines))) for _ in range(int(limit * IN_TURN))]
        return taken + [
            self._first_of(self.oldest().row.webhook.merchant_id)  # type: ignore[union-attr]  # more than `limit` wait
            for _ in range(limit - len(taken))
        ]

    def _first_of(self, merchant_id: int) -> Sent:
        line = self._lines[merchant_id]
        number = line.popleft()
        if line:
            self._lines.move_to_end(merchant_id)
        else:
            del self._lines[merchant_id]
        return self._by_age.pop(number)
