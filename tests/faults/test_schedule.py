"""The default retry schedule in real time: 5 s, 25 s and 125 s after each failure; then review, and replay."""

from __future__ import annotations

from itertools import pairwise

import pytest

from deliveries.models import Attempt, DeadLetter, Delivery
from tests.faults.stage import Stage
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.slow

DELAYS = [5, 25, 125]
LATE = 1.0
"""Seconds that an attempt may be late."""


def test_a_failing_webhook_is_tried_on_schedule_then_waits_for_review_and_a_replay_delivers_it(stage: Stage):
    with TestReceiver(fail=99) as receiver:
        stage.webhook(receiver.url, dialect="alva", secret="a-secret-of-the-merchant")
        stage.worker()
        stage.publish(1)
        receiver.wait_for(4, timeout=sum(DELAYS) + 30)
        stage.wait_for_statuses({"dead": 1}, 10)

        log = list(Attempt.objects.order_by("pk"))
        waits = [(after.started_at - before.answered_at).total_seconds() for before, after in pairwise(log)]
        seen = [after.received_at - before.received_at for before, after in pairwise(receiver.requests)]
        lateness = [f"{seconds:.3f}" for seconds in stage.lateness()]
        print(f"waits in the log {waits}, at the receiver {seen}; lateness in the log {lateness} s")
        assert [attempt.number for attempt in log] == [1, 2, 3, 4]
        assert [attempt.status_code for attempt in log] == [503] * 4
        for delay, wait, gap in zip(DELAYS, waits, seen, strict=True):
            assert delay <= wait < delay + LATE
            assert delay <= gap < delay + LATE + 0.5, "the receiver's own clock agrees"
        assert all(0 <= seconds < LATE for seconds in stage.lateness())
        delivery = Delivery.objects.get()
        first_due = (log[0].started_at - delivery.created_at).total_seconds()
        assert first_due < LATE, "the first attempt is made at once"

        dead_letter = DeadLetter.objects.get()
        assert dead_letter.resolved_at is None
        receiver.repair()
        stage.replay(delivery)
        stage.wait_for_statuses({"delivered": 1}, 10)
        dead_letter.refresh_from_db()
        assert dead_letter.resolution == "replayed"
    assert len(set(receiver.message_ids)) == 1
    assert len(receiver.message_ids) == 5
    stage.log_agrees()
