"""What is read of events before they are stored, and the processor time that strangers' filters and fields may take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from deliveries.payloads.filters import Reading
from deliveries.reasons import Reason, ReasonCode

REQUEST_SECONDS: Final = 2.0
"""Of this thread's processor: what the filters and chosen fields of a merchant's webhooks may take for one request."""
SHARED_SECONDS: Final = 0.01
"""What they may take where unrelated requests share a thread; a merchant that needs more is costly."""
DEAR_SECONDS: Final = 0.001
"""What the filters and fields of one event may take there without being added up."""
DEAR_SUM: Final = 0.03
"""Seconds within COSTLY_FOR that dearer events may take there; a merchant that needs more is costly."""
DEAR_DECISIONS: Final = 10
"""Webhooks whose filter, fields or order one event may need without being added up."""
DECISION_SECONDS: Final = 0.0001
"""What each decision of an event that needs more of them counts there: planning and storing the delivery."""
COSTLY_FANOUT: Final = 200
"""Webhooks that get one event: a merchant with more is costly."""
COSTLY_FOR: Final = 60.0
"""Seconds for which a process remembers that a merchant is costly."""
_REMEMBERED_MAX: Final = 10_000
_costly: dict[int, float] = {}  # merchant's key → monotonic time until which it is costly
_dear: dict[int, tuple[float, float]] = {}  # merchant's key → monotonic time until which is added up, and the seconds
DECIDED_FOR: Final = 60.0
"""Seconds for which a process remembers that Python decided about a merchant's events of a type."""
_decided: dict[tuple[int, str], float] = {}  # merchant's key, type → monotonic time until which it is remembered


class Costly(Exception):
    """Nothing was stored: deciding about this merchant's events would keep unrelated requests waiting."""


class PutOff(Exception):
    """Nothing was stored: a webhook's filter, fields or order is to be asked, and that is another thread's work."""


def is_costly(merchant_id: int) -> bool:
    """Tell whether a merchant's events took so much in the last minute that they are stored apart from others'."""
    return _costly.get(merchant_id, 0.0) > time.monotonic()


def note_costly(merchant_id: int) -> None:
    """Remember that a merchant's events take much."""
    if len(_costly) >= _REMEMBERED_MAX:
        _costly.clear()
    _costly[merchant_id] = time.monotonic() + COSTLY_FOR


def note_dear(merchant_id: int, seconds: float) -> None:
    """Add up what a merchant's dear events take of a shared thread."""
    now = time.monotonic()
    until, spent = _dear.get(merchant_id, (0.0, 0.0))
    if until <= now:
        if len(_dear) >= _REMEMBERED_MAX:
            _dear.clear()
        until, spent = now + COSTLY_FOR, 0.0
    _dear[merchant_id] = until, spent + seconds
    if spent + seconds > DEAR_SUM:
        note_costly(merchant_id)


def is_decided(merchant_id: int, event_type: str) -> bool:
    """Tell whether a webhook's filter, fields or order was asked about such an event in the last minute."""
    return _decided.get((merchant_id, event_type), 0.0) > time.monotonic()


def note_decided(merchant_id: int, event_type: str, decisions: int = 1) -> None:
    """Remember that such events need Python; many decisions about one event count as its merchant's dear ones."""
    if len(_decided) >= _REMEMBERED_MAX:
        _decided.clear()
    _decided[merchant_id, event_type] = time.monotonic() + DECIDED_FOR
    if decisions > DEAR_DECISIONS:
        note_dear(merchant_id, decisions * DECISION_SECONDS)


class Readings:
    """Readings of the events of one call, and the time that each merchant's have taken.

    Args:
        shared: Unrelated requests share this thread: less time, and `Costly` once it is spent.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._known: dict[tuple[int, str], Reading] = {}
        self._spent: defaultdict[int, float] = defaultdict(float)
        self._spent_on: defaultdict[int, float] = defaultdict(float)  # a reading's id

    def of(self, merchant_id: int, public_id: str, event_type: str, data: str) -> Reading:
        """Return what is read of an event."""
        key = merchant_id, public_id
        if key not in self._known:
            self._known[key] = Reading(event_type, data)
        return self._known[key]

    def refusal(self, merchant_id: int, reading: Reading, expression: str) -> Reason | None:
        """Return why a filter keeps an event back; over the time for all, it is a filter that can't be evaluated."""
        if self._is_over(merchant_id, reading, expression):
            why = "the filters asked before it took all the time that one request has"
            return Reason(ReasonCode.FILTER_NOT_EVALUATED, {"filter": expression, "why": why})
        with self._timed(merchant_id, reading):
            return reading.refusal(expression)

    def digest(self, merchant_id: int, reading: Reading, fields: Any) -> str | None:
        """Return the chosen fields' digest; None also over the time for all: then nothing counts as repeated."""
        if self._is_over(merchant_id, reading, tuple(fields)):
            return None
        with self._timed(merchant_id, reading):
            return reading.digest(fields)

    def _is_over(self, merchant_id: int, reading: Reading, question: Any) -> bool:
        """Tell whether the time is spent and the answer not known yet. Raises Costly where the thread is shared."""
        if reading.knows(question) or self._spent[merchant_id] < (SHARED_SECONDS if self._shared else REQUEST_SECONDS):
            return False
        if self._shared:
            note_costly(merchant_id)
            raise Costly
        return True

    @contextmanager
    def _timed(self, merchant_id: int, reading: Reading) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            took = time.thread_time() - began
            self._spent[merchant_id] += took
            before = self._spent_on[id(reading)]
            self._spent_on[id(reading)] = before + took
            if self._shared and before + took > DEAR_SECONDS:
                note_dear(merchant_id, took if before > DEAR_SECONDS else before + took)
