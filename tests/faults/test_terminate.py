"""SIGTERM: a worker finishes what is out, gives back the rest, and nothing comes twice."""

from __future__ import annotations

import time

import pytest

from tests.faults.stage import Stage, came, doubled
from tests.support.processes import GRACE
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

WEBHOOKS, EVENTS = 550, 3
OPEN = 500
"""Requests that are open when the worker is told to end; WEBHOOKS_OPEN_REQUESTS_MAX is 4096."""
ANSWER = 12
"""Seconds a receiver takes: longer than the worker needs to open them all, shorter than its grace."""


def test_a_worker_told_to_end_amid_500_open_requests_finishes_or_releases_all_and_doubles_none(stage: Stage):
    total = WEBHOOKS * EVENTS
    with TestReceiver(delay=ANSWER) as receiver:
        for number in range(WEBHOOKS):
            stage.webhook(f"{receiver.url}/{number}", timeout=15)
        stage.publish(EVENTS)
        first = stage.worker()
        receiver.wait_for(OPEN, timeout=60)
        out = len(receiver.requests)
        assert receiver.requests[0].received_at > time.time() - ANSWER, (
            "the first was answered before the last was sent"
        )
        told = time.monotonic()
        first.terminate()
        code = first.wait(GRACE)
        took = time.monotonic() - told
        left = stage.statuses()
        print(f"told with {out} requests out; ended after {took:.1f} s with code {code}; {left}")
        assert code == 0, first.tail()
        assert set(left) <= {"pending", "delivered"}, "what left was recorded, what had not was released"
        assert left["delivered"] == len(receiver.requests)

        receiver.repair()
        stage.worker()
        stage.wait_for_statuses({"delivered": total}, 60)
    assert doubled(receiver) == {}
    assert len(came(receiver)) == total
    assert stage.interrupted() == []
    stage.log_agrees()


def test_a_worker_told_to_end_waits_for_requests_that_never_get_an_answer(stage: Stage):
    with TestReceiver(delay=60) as receiver:
        for number in range(20):
            stage.webhook(f"{receiver.url}/{number}", timeout=6, retry_policy={"delays": [600]})
        stage.publish(2)
        first = stage.worker()
        receiver.wait_for(20)
        first.terminate()
        assert first.wait(GRACE) == 0, first.tail()
        assert stage.statuses() == {"retrying": 20, "pending": 20}
        assert stage.interrupted() == []
    assert doubled(receiver) == {}
