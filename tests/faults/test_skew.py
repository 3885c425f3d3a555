"""Hosts whose clocks are wrong: the database's clock decides what is due, and what signatures say."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.db.models import F

from deliveries.maintenance import calls
from deliveries.models import Attempt, MaintenanceTask
from tests.faults.poster import Poster
from tests.faults.stage import Stage
from tests.support.factories import make_api_key
from tests.support.processes import wait_for
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

HOUR = 3600.0
DELAYS = [1, 2]
LATE = 3.0
"""Seconds; a wake-up whose time another clock set may be lost to this one's, and the sweep finds the row."""
CLOSE = 5.0
"""Seconds between a signature's time and the receiver's, on a machine that is busy; receivers refuse 300."""


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_an_hour_off_is_never_early_nor_late_and_signs_with_the_right_time(stage: Stage, skew):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url, retry_policy={"delays": DELAYS})
        receiver.fail_next(2)
        child = stage.worker(skew=skew)
        assert _clock(child.log) == pytest.approx(time.time() + skew, abs=60), "it does believe the wrong clock"
        stage.publish(1)
        stage.wait_for_statuses({"delivered": 1}, 20)
    log = list(Attempt.objects.order_by("pk"))
    for delay, (before, after), (first, second) in zip(DELAYS, pairwise(log), pairwise(receiver.requests), strict=True):
        assert before.next_at is not None
        assert 0 <= (after.started_at - before.next_at).total_seconds() < LATE
        assert delay <= second.received_at - first.received_at < delay + LATE
    for request in receiver.requests:
        assert abs(int(request.headers["webhook-timestamp"]) - request.received_at) < CLOSE
        assert abs(log[0].started_at.timestamp() - receiver.requests[0].received_at) < CLOSE


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_what_a_web_process_with_a_clock_an_hour_off_accepts_is_sent_at_once(stage: Stage, skew):
    with TestReceiver() as receiver:
        stage.webhook(receiver.url)
        stage.worker()
        web = stage.web(skew=skew)
        poster = Poster(lambda: web.port, make_api_key(stage.merchant).text)
        poster.send(["e1", "e2"], batch=True)
        poster.finish()
        assert poster.accepted == ["e1", "e2"]
        stage.wait_for_statuses({"delivered": 2}, 10)
    assert max(stage.lateness()) < LATE
    assert min(stage.lateness()) >= 0


def _clock(log: str) -> float:
    """Return the time that a worker gave the line which says that it is ready, unix seconds."""
    line = next(line for line in log.splitlines() if "worker_ready" in line)
    stamp = next(word for word in line.replace('"', "'").split("'") if word.startswith("20") and word.endswith("Z"))
    return datetime.fromisoformat(stamp).timestamp()


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_beat_whose_clock_is_an_hour_off_calls_on_time_and_so_does_the_next_one(stage: Stage, skew):
    """By its file of times a beat ran nothing for an hour after one that was ahead, through restarts."""
    stage.worker()

    def told() -> dict[str, timedelta | None]:
        connection.close()
        return calls.last_calls(["tell"])

    for clock in (skew, 0.0):
        with stage.beat(skew=clock):
            for _round in range(2):
                MaintenanceTask.objects.filter(name="beat: tell").update(ran_at=F("ran_at") - timedelta(seconds=16))
                wait_for(lambda: (ago := told()["tell"]) is not None and ago < timedelta(seconds=10), 10, "a call")
                wait_for(
                    lambda: MaintenanceTask.objects.filter(name="beat: tell", position=0).exists(), 10, "its begin"
                )
