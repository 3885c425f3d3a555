"""Redis holds wake-ups only: flushed, stopped or stalled it costs time, never an event."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.publisher import Receipt
from tests.faults.stage import Stage, came, doubled
from tests.support.processes import halted
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

EVENTS = 200
SOON = 15.0
"""Seconds within which all is delivered after wake-ups were lost."""


def once_each(stage: Stage, receiver: TestReceiver) -> None:
    assert doubled(receiver) == {}
    assert {message for _url, message in came(receiver)} == set(stage.accepted)
    assert stage.interrupted() == []
    stage.log_agrees()


def test_wake_ups_flushed_before_a_worker_starts_delay_nothing_for_long(stage: Stage):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        stage.publish(EVENTS)
        stage.flush()
        stage.worker()
        stage.wait_for_statuses({"delivered": EVENTS}, SOON)
        once_each(stage, receiver)


def test_wake_ups_flushed_between_commit_and_drain_under_a_running_worker_delay_nothing_for_long(stage: Stage):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        child = stage.worker()
        with halted(child.pid):  # it can't drain what is committed before the flush
            stage.publish(EVENTS)
            stage.flush()
        started = time.monotonic()
        stage.wait_for_statuses({"delivered": EVENTS}, SOON)
        print(f"delivered {time.monotonic() - started:.2f} s after the flush")
        once_each(stage, receiver)


def test_wake_ups_flushed_again_and_again_in_mid_drain_lose_and_double_nothing(stage: Stage):
    with TestReceiver(delay=0.05) as receiver:
        for number in range(5):
            stage.webhook(f"{receiver.url}/{number}")
        stage.worker()
        stage.worker()
        for share in range(1, 5):
            stage.publish(EVENTS // 4)
            receiver.wait_for(share * 40)
            stage.flush()
        stage.wait_for_statuses({"delivered": 5 * EVENTS}, 2 * SOON)
        once_each(stage, receiver)


def test_publish_is_quick_while_redis_is_stopped_and_all_is_delivered_when_it_is_back(stage: Stage):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        child = stage.worker()
        stage.publish(10, batch=False)
        stage.wait_for_statuses({"delivered": 10}, SOON)

        fresh = stage.publisher()
        stage.valkey.end(signal.SIGKILL)
        quick(fresh.publish(stage.merchant, [f"fresh{n}" for n in range(5)]), stage)
        quick(stage.publish(5, batch=False), None)
        stage.valkey.resume()
        stage.wait_for_statuses({"delivered": 20}, 2 * SOON)
        assert child.runs, child.tail()

        stage.publish(5, batch=False)  # by wake-ups again
        stage.wait_for_statuses({"delivered": 25}, SOON)
        once_each(stage, receiver)


def test_publish_is_quick_while_redis_is_stalled_and_all_is_delivered_when_it_goes_on(stage: Stage):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        child = stage.worker()
        stage.publish(10, batch=False)
        fresh = stage.publisher()
        with halted(stage.valkey.pid):
            quick(fresh.publish(stage.merchant, [f"fresh{n}" for n in range(5)]), stage)
            quick(stage.publish(5, batch=False), None)
        stage.wait_for_statuses({"delivered": 20}, 2 * SOON)
        assert child.runs, child.tail()
        once_each(stage, receiver)


def test_after_a_long_outage_of_redis_a_worker_is_back_at_once(stage: Stage):
    """Celery's own consumer tries after 2, 6, 12 and 20 s."""
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        stage.worker()
        stage.publish(1)
        stage.wait_for_statuses({"delivered": 1}, SOON)
        stage.valkey.end(signal.SIGKILL)
        stage.publish(1)
        time.sleep(13)
        stage.valkey.resume()
        started = time.monotonic()
        stage.wait_for_statuses({"delivered": 2}, 5)
        print(f"delivered {time.monotonic() - started:.2f} s after Redis was back")
        once_each(stage, receiver)


def test_a_worker_that_holds_wake_ups_and_open_requests_outlives_a_restart_of_redis(stage: Stage):
    """Celery 5.7.0 exits here; this holds our pin to account."""
    with TestReceiver(delay=1.5) as receiver:
        for number in range(20):
            stage.webhook(f"{receiver.url}/{number}", retry_policy={"delays": [3]})
        child = stage.worker()
        receiver.fail_next(20)  # so that countdown wake-ups wait in the worker, unacknowledged
        stage.publish(5)
        receiver.wait_for(40)
        for how in (signal.SIGTERM, signal.SIGKILL):
            stage.valkey.end(how)
            time.sleep(1.0)
            stage.valkey.resume()
        stage.wait_for_statuses({"delivered": 100}, 2 * SOON)
        assert child.runs, child.tail()
        failed = 20
        assert len(receiver.requests) == 100 + failed
        assert stage.interrupted() == []
        stage.log_agrees()


def quick(receipt: Receipt, stage: Stage | None) -> None:
    """Fail unless each call was accepted within a second; the first is a publisher's first call of all."""
    print(f"publish() took {', '.join(f'{seconds:.3f}' for seconds in receipt.seconds)} s")
    assert receipt.errors == []
    assert max(receipt.seconds) < 1.0
    if stage is not None:
        stage.accepted += receipt.accepted
