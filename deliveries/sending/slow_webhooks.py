"""Slow webhooks: those whose endpoint takes long, as this process sees it; they leave places for the others.

Without that, a few thousand endpoints that hang would hold every open request of every process, and everybody else's
deliveries would wait for theirs to run out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SLOW = 1.0
"""Seconds from which on a request counts as slow, finished or not."""
SLOW_SHARE = 0.5
"""The share of a process' open requests that slow webhooks may have together."""
KNOWN_MAX = 20_000
"""Slow webhooks that a process remembers; the one that was slow longest ago is forgotten first."""


class SlowWebhooks:
    """Which webhooks are slow. Not safe between threads: its owner holds a lock."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}

    def note(self, webhook_id: int, seconds: float) -> None:
        """Note what a request took, or has taken so far; a quick one ends a webhook's being slow."""
        self._known.pop(webhook_id, None)
        if seconds > SLOW:
            self._known[webhook_id] = None
            if len(self._known) > KNOWN_MAX:
                del self._known[next(iter(self._known))]

    def count(self, open_requests: Iterable[tuple[int, float]]) -> int:
        """Return how many open requests are slow webhooks'; who has been waiting for long is slow from now on.

        Args:
            open_requests: The webhook of each, and for how many seconds it has been open.
        """
        found = 0
        for webhook_id, seconds in open_requests:
            if webhook_id not in self._known and seconds > SLOW:
                self.note(webhook_id, seconds)
            found += webhook_id in self._known
        return found

    def divide(self, webhook_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the quick ones of these webhooks, and the slow ones."""
        if not self._known:
            return list(webhook_ids), []
        return [pk for pk in webhook_ids if pk not in self._known], [pk for pk in webhook_ids if pk in self._known]
