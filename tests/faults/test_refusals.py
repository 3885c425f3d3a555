"""Redis that answers no is no worse than Redis that is away: waited out, named, and no process ends."""

from __future__ import annotations

import time

import pytest

from tests.faults.stage import Stage
from tests.faults.test_redis import SOON, once_each, quick
from tests.support.receiver import TestReceiver
from tests.support.refusals import REFUSALS

pytestmark = pytest.mark.faults

REFUSES = 5.0
"""Seconds for which it refuses."""
HEALED = 2.0
"""Seconds after healing within which the first delivery comes."""


@pytest.mark.parametrize("says", REFUSALS)
def test_a_redis_that_refuses_ends_no_process_and_delays_deliveries_until_it_is_healed(stage: Stage, says: str):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url, window=20)
        workers, web, beat = [stage.worker()], stage.web(), stage.beat()
        stage.publish(5)
        stage.wait_for_statuses({"delivered": 5}, SOON)
        with REFUSALS[says](stage.valkey):
            began = time.monotonic()
            quick(stage.publish(5, batch=False), None)
            workers.append(stage.worker(wait=False))  # one that meets nothing else
            time.sleep(max(0.0, began + REFUSES - time.monotonic()))
            quick(stage.publish(5, batch=False), None)
            assert web.answers()
            came = len(receiver.requests)
            for child in (*workers, web, beat):
                assert child.runs, child.tail()
        healed = time.monotonic()
        receiver.wait_for(min(came + 1, 15), timeout=30)  # all came already where only the broker refused
        print(f"{says}: the first delivery came {time.monotonic() - healed:.2f} s after healing")
        assert came == 15 or time.monotonic() - healed < HEALED
        stage.wait_for_statuses({"delivered": 15}, SOON)
        for child in (*workers, web, beat):
            assert child.runs, child.tail()
        once_each(stage, receiver)
        assert says.split(maxsplit=1)[0] in workers[0].log
