"""How fast requests of slow webhooks start: as fast as they end, spread over the time that they take.

What starts together ends together: two thousand time-outs of one moment are recorded and start again in the next, every
ten seconds anew, and everybody else's deliveries wait behind them. Spread, they are two hundred a second.
"""

from __future__ import annotations

from typing import Final

HEADROOM: Final = 1.1
"""How much faster than they end requests may start, so that free places fill up."""
SAVED_SECONDS: Final = 0.1
"""Seconds whose starts may be made up for at once."""
WEIGHT: Final = 0.1
"""How much of the mean the latest request's time makes up."""
TOGETHER: Final = 8
"""Starts that are saved up, so that they share a claim, where there are places for many."""


class SlowPace:
    """Counts starts against a rate. Not safe between threads: its owner holds a lock.

    Args:
        seconds: What a request is taken to last, until some have ended.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds  # the mean of what requests took
        self._saved = float(TOGETHER)
        self._looked_at = float("-inf")

    def note(self, seconds: float) -> None:
        """Note what a request took."""
        self._seconds += WEIGHT * (seconds - self._seconds)

    def start(self) -> None:
        """Note that a request was started."""
        self._saved -= 1

    def free(self, places: int, now: float) -> int:
        """Return how many may start now.

        Args:
            places: How many may be open.
            now: Monotonic seconds.
        """
        rate = HEADROOM * places / self._seconds
        together = max(1, min(TOGETHER, places // 256))
        most = max(together, rate * SAVED_SECONDS)
        self._saved = min(most, self._saved + rate * min(1.0, now - self._looked_at))
        self._looked_at = now
        return int(self._saved) if self._saved >= together else 0
