"""Slow webhooks: those whose endpoint takes long, as this process sees it; they leave places for the others.

Without that, a few thousand endpoints that hang would hold every open request of every process, and everybody else's
deliveries would wait for theirs to run out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deliveries.sending.slow_pace import SlowPace

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
        self._known: dict[int, None] = {}  # webhooks whose last request took long
        self._overdue: Counter[int] = Counter()  # webhook → how many of its requests are open for long
        self._overdue_ids: set[int] = set()
        self._requests: dict[int, tuple[int, float]] = {}  # a request's id → its webhook, and since when it is open
        self._young: deque[tuple[float, int]] = deque()  # since when, and the request's id: those not yet looked at
        self._open: Counter[int] = Counter()  # webhook → how many requests it has open
        self._pace = SlowPace(SLOW)
        self.open = 0
        """Open requests of slow webhooks."""

    def opened(self, request_id: int, webhook_id: int, now: float) -> None:
        """Note that a request is under way; `now` in monotonic seconds. One that was under way already has ended."""
        self.closed(request_id)
        self._requests[request_id] = webhook_id, now
        self._young.append((now, request_id))
        self._open[webhook_id] += 1
        if self._is_slow(webhook_id):
            self.open += 1
            self._pace.start()
        self.look(now)

    def closed(self, request_id: int) -> None:
        """Note that a request is under way no more."""
        if (found := self._requests.pop(request_id, None)) is None:
            return
        webhook_id, _since = found
        self.open -= self._is_slow(webhook_id)
        _count_down(self._open, webhook_id)
        if request_id in self._overdue_ids:
            with self._changing(webhook_id):
                self._overdue_ids.remove(request_id)
                _count_down(self._overdue, webhook_id)

    def look(self, now: float) -> None:
        """See who has been waiting for long: such webhooks are slow until that has ended."""
        while self._young and self._young[0][0] < now - SLOW:
            since, request_id = self._young.popleft()
            webhook_id, opened = self._requests.get(request_id, (0, 0.0))
            if opened == since:
                with self._changing(webhook_id):
                    self._overdue_ids.add(request_id)
                    self._overdue[webhook_id] += 1

    def note(self, webhook_id: int, seconds: float) -> None:
        """Note what a request took. After a quick one a webhook is slow only while another is open for long."""
        if seconds > SLOW:
            self._pace.note(seconds)
        elif webhook_id not in self._known:
            return
        with self._changing(webhook_id):
            self._known.pop(webhook_id, None)
            if seconds > SLOW:
                self._known[webhook_id] = None
        if len(self._known) > KNOWN_MAX:
            oldest = next(iter(self._known))
            with self._changing(oldest):
                del self._known[oldest]

    def may_start(self, places: int, now: float) -> int:
        """Return how many more requests of slow webhooks may be opened now, of `places` in all: see `slow_pace`."""
        return max(0, min(places - self.open, self._pace.free(places, now)))

    def divide(self, webhook_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the quick ones of these webhooks, and the slow ones."""
        if not self._known and not self._overdue:
            return list(webhook_ids), []
        slow = [pk for pk in webhook_ids if self._is_slow(pk)]
        return [pk for pk in webhook_ids if not self._is_slow(pk)], slow

    def _is_slow(self, webhook_id: int) -> bool:
        return webhook_id in self._known or webhook_id in self._overdue

    @contextmanager
    def _changing(self, webhook_id: int) -> Iterator[None]:
        """Count a webhook's open requests among the slow ones, or no longer, as it becomes slow or quick."""
        was_slow = self._is_slow(webhook_id)
        yield
        self.open += (self._is_slow(webhook_id) - was_slow) * self._open[webhook_id]
        if not self._open[webhook_id]:
            del self._open[webhook_id]


def _count_down(counts: Counter[int], name: int) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
