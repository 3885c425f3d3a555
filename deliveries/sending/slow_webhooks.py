"""Slow webhooks: those whose endpoint takes long, as this process sees it; they leave places for the others.

Without that, a few thousand endpoints that hang would hold every open request of every process, and everybody else's
deliveries would wait for theirs to run out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

SLOW = 1.0
"""Seconds from which on a request counts as slow, finished or not."""
SLOW_SHARE = 0.5
"""The share of a process' open requests that slow webhooks may have together."""
KNOWN_MAX = 20_000
"""Slow webhooks that a process remembers; the one that was slow longest ago is forgotten first."""


class SlowWebhooks:
    """Which webhooks are slow, and how many open requests they have. Not safe between threads: its owner holds a lock.

    Nothing here walks what is open: the dispatcher asks at every turn, and thousands may hang.
    """

    def __init__(self) -> None:
        self._known: dict[int, None] = {}
        self._requests: dict[int, tuple[int, float]] = {}  # a request's id → its webhook, and since when it is open
        self._young: deque[tuple[float, int]] = deque()  # since when, and the request's id: those not yet looked at
        self._open: Counter[int] = Counter()  # webhook → how many requests it has open
        self.open = 0
        """Open requests of slow webhooks."""

    def opened(self, request_id: int, webhook_id: int, now: float) -> None:
        """Note that a request is under way; `now` in monotonic seconds."""
        self._requests[request_id] = webhook_id, now
        self._young.append((now, request_id))
        self._open[webhook_id] += 1
        self.open += webhook_id in self._known
        self.look(now)

    def closed(self, request_id: int) -> None:
        """Note that a request is under way no more."""
        if (found := self._requests.pop(request_id, None)) is None:
            return
        webhook_id, _since = found
        self._open[webhook_id] -= 1
        if not self._open[webhook_id]:
            del self._open[webhook_id]
        self.open -= webhook_id in self._known

    def look(self, now: float) -> None:
        """See who has been waiting for long: such webhooks are slow from now on."""
        while self._young and self._young[0][0] < now - SLOW:
            since, request_id = self._young.popleft()
            webhook_id, opened = self._requests.get(request_id, (0, 0.0))
            if opened == since and webhook_id not in self._known:
                self.note(webhook_id, now - since)

    def note(self, webhook_id: int, seconds: float) -> None:
        """Note what a request took, or has taken so far; a quick one ends a webhook's being slow."""
        self._forget(webhook_id)
        if seconds > SLOW:
            self._known[webhook_id] = None
            self.open += self._open[webhook_id]
            if len(self._known) > KNOWN_MAX:
                self._forget(next(iter(self._known)))

    def divide(self, webhook_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the quick ones of these webhooks, and the slow ones."""
        if not self._known:
            return list(webhook_ids), []
        return [pk for pk in webhook_ids if pk not in self._known], [pk for pk in webhook_ids if pk in self._known]

    def _forget(self, webhook_id: int) -> None:
        if webhook_id in self._known:
            del self._known[webhook_id]
            self.open -= self._open[webhook_id]
