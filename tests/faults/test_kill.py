"""`kill -9` of a worker: nothing is lost, and what may have come twice is known and named in the log."""

from __future__ import annotations

import pytest

from tests.faults.stage import Stage, came, doubled
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

WEBHOOKS, EVENTS = 10, 100


def test_a_worker_killed_amid_a_thousand_deliveries_loses_none_and_doubles_none_but_those_in_flight(stage: Stage):
    total = WEBHOOKS * EVENTS
    with TestReceiver(delay=0.2) as receiver:
        for number in range(WEBHOOKS):
            stage.webhook(f"{receiver.url}/{number}", timeout=2, window=20)
        stage.publish(EVENTS)
        first = stage.worker()
        receiver.wait_for(total // 3)
        first.kill()
        in_flight = stage.in_flight()
        before = len(receiver.requests)
        assert before < total, "it was killed too late to tell anything"
        assert in_flight

        receiver.delay = 0.0
        stage.worker()
        stage.wait_for_statuses({"delivered": total}, 60)

    twice = doubled(receiver)
    print(f"killed after {before} requests with {len(in_flight)} in flight; {len(twice)} came twice")
    assert len(set(came(receiver))) == total
    assert set(twice) <= set(in_flight)
    assert set(twice.values()) <= {1}
    assert stage.interrupted() == in_flight, "the log tells of each, once"
    stage.log_agrees()


def test_workers_killed_one_after_another_lose_nothing(stage: Stage):
    """Claims run out, are claimed again, and run out again; a delivery goes to review only after three in a row."""
    allowed: dict[tuple[str, str], int] = {}
    with TestReceiver(delay=0.3) as receiver:
        for number in range(WEBHOOKS):
            stage.webhook(f"{receiver.url}/{number}", timeout=1, window=20)
        stage.publish(EVENTS // 2)
        for share in (1, 2):
            victim = stage.worker(WEBHOOKS_CLAIM_GRACE=1)
            receiver.wait_for(share * 100)
            victim.kill()
            for key in stage.in_flight():
                allowed[key] = allowed.get(key, 0) + 1
        stage.worker(WEBHOOKS_CLAIM_GRACE=1)
        stage.wait_for_statuses({"delivered": WEBHOOKS * EVENTS // 2}, 60)
    twice = doubled(receiver)
    print(f"{sum(allowed.values())} in flight at two kills, {sum(twice.values())} requests too many")
    assert all(times <= allowed.get(key, 0) for key, times in twice.items())
    assert set(stage.interrupted()) == set(allowed)
    stage.log_agrees()
