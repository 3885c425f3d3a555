"""What a filter may take: steps, room for what it builds, time. Strangers write filters, and publishing runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

STEPS_MAX: Final = 4_000
"""Nodes visited and values compared; more where the event is longer, see Budget."""
CELLS_MAX: Final = 50_000
"""Characters and list or object entries of all intermediate results together."""
SECONDS_MAX: Final = 0.25
"""Time of this thread's processor: the last resort, far above what STEPS_MAX and CELLS_MAX take."""
_ENTRY: Final = 8
"""Cells of an object's entry: it takes about so much more room than a character."""
_CLOCK_EVERY: Final = 256


_NEVER: Final = float("inf")
_together = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all that this thread evaluates in the block so much time of the processor together."""
    before = _together_until()
    _together.until = min(before, time.thread_time() + seconds)
    try:
        yield
    finally:
        _together.until = before


def is_over() -> bool:
    """Tell whether the time is used up that evaluations have together; never outside of `within`."""
    return time.thread_time() >= _together_until()


def _together_until() -> float:
    until: float = getattr(_together, "until", _NEVER)
    return until


class NotEvaluated(Exception):
    """The filter has no answer for this event; the text says why, without a full stop.

    Attributes:
        compared: JMESPath itself calls it null: `<`, `<=`, `>` or `>=` between what has no order.
    """

    def __init__(self, why: str, *, compared: bool = False) -> None:
        super().__init__(why)
        self.compared = compared


class OverBudget(NotEvaluated):
    """Nothing may catch it on the way: the evaluation ends."""


class Budget:
    """What is left of an evaluation. A longer event may take more: the cost stays proportional to what is published."""

    def __init__(self, characters: int) -> None:
        self._steps = max(STEPS_MAX, characters // 4)
        self._cells = max(CELLS_MAX, characters)
        self._until = min(time.thread_time() + SECONDS_MAX, _together_until())

    def step(self, count: int = 1) -> None:
        """Take steps. Raises OverBudget."""
        before = self._steps
        self._steps = before - count
        if self._steps < 0:
            raise OverBudget("it takes too many steps for an event of this size")
        if before // _CLOCK_EVERY != self._steps // _CLOCK_EVERY and time.thread_time() > self._until:
            raise OverBudget("it takes too long for an event of this size")

    def keep(self, value: Any) -> Any:
        """Return a value that was just built, its own level charged. Raises OverBudget."""
        if isinstance(value, (str, list)):
            self.build(len(value) + 1)
        elif isinstance(value, dict):
            self.build(len(value) * _ENTRY + 1)
        return value

    def build(self, cells: int) -> None:
        """Take room. Raises OverBudget."""
        self._cells -= cells
        if self._cells < 0:
            raise OverBudget("it builds too much for an event of this size")
