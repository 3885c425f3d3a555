"""A dispatcher of a test's own, on a thread: `until` waits for what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from django.db import connections

from deliveries.worker import dispatcher
from deliveries.worker.engine import Engine, _made, engine


def own_engine(monkeypatch: pytest.MonkeyPatch, *, idle: float = 0.3) -> Iterator[Engine]:
    """Give a test an engine of its own, whose dispatcher goes off duty after `idle` seconds, and finish it."""
    monkeypatch.setattr(dispatcher, "IDLE", idle)
    _made.cache_clear()
    parts = engine()
    yield parts
    assert parts.stop(20)
    _made.cache_clear()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def work_and_close(webhook_ids: Sequence[int]) -> None:
    """Be on duty, as the thread of a task is, and close its database sessions after."""
    try:
        dispatcher.work(webhook_ids)
    finally:
        connections.close_all()
