"""A recorder that writes nowhere: what it would write is noted."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from django.db import IntegrityError

from deliveries.recording.outcomes import Recorded
from deliveries.recording.recorder import Recorder


class Written:
    """Stands in for outcomes.record: notes the chunks and fails when told to. Each "outcome" is a number."""

    def __init__(self) -> None:
        self.chunks: list[list[Any]] = []
        self.again: list[bool] = []
        self.failures: list[Exception] = []
        self.poison: set[Any] = set()
        self.answer = Recorded()

    def __call__(self, chunk: list[Any], *, again: bool = False) -> Recorded:
        self.again.append(again)
        if self.failures:
            raise self.failures.pop(0)
        if self.poison.intersection(chunk):
            raise IntegrityError("its delivery was purged")
        self.chunks.append(list(chunk))
        return self.answer

    @property
    def all(self) -> list[Any]:
        return [item for chunk in self.chunks for item in chunk]


class _Webhook(NamedTuple):
    merchant_id: int


class _Row(NamedTuple):
    webhook: _Webhook
    public_id: str = "dlv_lost"

    @property
    def named(self) -> dict[str, str]:
        return {"delivery": self.public_id}


class Answered(int):
    """An outcome, as far as the recorder looks at it: a number, of merchant 7 unless it is told another."""

    row = _Row(_Webhook(7))

    @classmethod
    def of(cls, merchant_id: int, number: int) -> Answered:
        """Return an outcome of this merchant."""
        made = cls(number)
        made.row = _Row(_Webhook(merchant_id))
        return made


def make_recorder(*, nothing_open: bool = True) -> tuple[Recorder, threading.Event]:
    """Return a recorder, and what it sets when outcomes were written."""
    progressed = threading.Event()
    return Recorder(nothing_open=lambda: nothing_open, progressed=progressed.set), progressed
