"""A worker killed while it probes a webhook that was paused for failing: the probe's claim runs out like any other."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from deliveries.models import Attempt, Delivery, MaintenanceTask, Watch
from deliveries.reporting import stuck_rows
from subscriptions.models import Webhook
from tests.faults.stage import Stage
from tests.support.processes import wait_for
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

EVENTS = 4
PAUSES = {
    "WEBHOOKS_AUTO_PAUSE_FAILURES": 3,
    "WEBHOOKS_AUTO_PAUSE_AFTER": 0,
    "WEBHOOKS_PROBE_WAIT": 1,
    "WEBHOOKS_PROBE_WAIT_MAX": 1,
    "WEBHOOKS_CLAIM_GRACE": 1,
}
TIMEOUT = 3.0
BEAT = 15.0
"""Seconds between two calls of housekeeping."""
RECOVERED = TIMEOUT + 1 + 3 * BEAT + 5
"""Seconds: the claim runs out, one call finds that and probes anew, the next one sees that it succeeded."""


def _hurry(name: str) -> None:
    """Let beat call it now."""
    MaintenanceTask.objects.filter(name=f"beat: {name}").update(ran_at=F("ran_at") - timedelta(seconds=2 * BEAT))


def _paused(webhook: Webhook) -> bool:
    connection.close()
    _hurry("tell")
    return Webhook.objects.filter(pk=webhook.pk).exclude(paused_at=None).exists()


def _probed(webhook: Webhook) -> bool:
    connection.close()
    _hurry("probe")
    return Watch.objects.filter(webhook=webhook).exclude(probe_delivery=None).exists()


@pytest.mark.parametrize("ordering", ["webhook", "resource"])
def test_a_webhook_whose_probe_died_with_its_worker_recovers_by_itself(stage: Stage, ordering: str):
    with TestReceiver() as receiver:
        receiver.fail, receiver.status = 10**6, 503
        webhook = stage.webhook(
            receiver.url, timeout=TIMEOUT, ordering=ordering, retry_policy={"delays": [0.5] * 5 + [2.0] * 14}
        )
        victim, beat = stage.worker(**PAUSES), stage.beat()
        stage.publish(EVENTS)
        receiver.wait_for(3)
        wait_for(lambda: _paused(webhook), 60, "the pause", pause=1.0)

        receiver.fail, receiver.status, receiver.delay = 0, 200, 60.0  # it would take the event now, but is slow
        before = len(receiver.requests)
        wait_for(lambda: _probed(webhook), 60, "a probe", pause=1.0)
        [probed] = stage.in_flight()
        victim.kill()
        receiver.delay = 0.0
        successor = stage.worker(**PAUSES)
        died = time.monotonic()

        stage.wait_for_statuses({"delivered": EVENTS}, RECOVERED)
        print(f"recovered {time.monotonic() - died:.1f} s after the probe died; {before} requests before it")
        webhook.refresh_from_db()
        assert webhook.paused_at is None
        assert Watch.objects.get(webhook=webhook).probe_delivery is None
        assert stage.interrupted() == [probed], "the log says that it may have been sent"
        assert not Attempt.objects.filter(decision_code="worker_died").exists()
        assert set(Delivery.objects.values_list("orphaned_attempts", flat=True)) == {0}
        assert [found.kind for found in stuck_rows.look() if found.keys] == []
        stage.log_agrees()
        if ordering == "webhook":
            first_seen = list(
                dict.fromkeys(request.message_id for request in receiver.requests if request.status == 200)
            )
            assert first_seen == stage.accepted
        for child in (successor, beat):
            assert child.runs, child.tail()
