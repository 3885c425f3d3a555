"""PostgreSQL restarts, dies and cuts connections in mid-drain: outcomes wait in memory, and are written once."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from deliveries.models import Attempt, Delivery, WebhookState
from subscriptions.models import Webhook
from tests.faults.stage import Stage, came, doubled
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

WEBHOOKS, EVENTS = 10, 100
OUTAGE = 8.0
"""Seconds; claims last 6, so long that a busy machine overtakes none that is made afterwards."""


def drained(stage: Stage, receiver: TestReceiver, in_flight: set[tuple[str, str]]) -> None:
    """Wait for the end of the drain; nothing is lost, and no more came twice than was in flight."""
    total = WEBHOOKS * EVENTS
    stage.wait_for_statuses({"delivered": total}, 90)
    twice = doubled(receiver)
    print(f"{len(in_flight)} in flight, {len(twice)} came twice, {len(stage.interrupted())} interrupted in the log")
    assert len(set(came(receiver))) == total
    assert set(twice) <= in_flight
    stage.log_agrees()


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_a_restart_of_postgresql_in_mid_drain_loses_nothing(stage: Stage, how):
    with TestReceiver(delay=0.1) as receiver:
        for number in range(WEBHOOKS):
            stage.webhook(f"{receiver.url}/{number}", window=20)
        stage.publish(EVENTS)
        child = stage.worker()
        receiver.wait_for(200)
        stage.postgres.restart(how)
        in_flight = set(stage.in_flight())
        drained(stage, receiver, in_flight)
        assert child.runs, child.tail()


def test_connections_cut_again_and_again_in_mid_drain_lose_nothing(stage: Stage):
    in_flight: set[tuple[str, str]] = set()
    with TestReceiver(delay=0.1) as receiver:
        for number in range(WEBHOOKS):
            stage.webhook(f"{receiver.url}/{number}", window=20)
        stage.publish(EVENTS)
        child = stage.worker()
        for share in (100, 300, 500):
            receiver.wait_for(share)
            with psycopg.connect(stage.postgres.url, autocommit=True) as session:
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            in_flight |= set(stage.in_flight())
        drained(stage, receiver, in_flight)
        assert child.runs, child.tail()


def test_an_outage_longer_than_every_claim_costs_no_merchant_a_try(stage: Stage):
    """Neither a try of the policy, nor the window, nor a failure that auto-pause counts; nor a duplicate."""
    with TestReceiver(delay=0.3) as receiver:
        for number in range(WEBHOOKS):
            stage.webhook(f"{receiver.url}/{number}", window=20, timeout=1.0)
        workers = [stage.worker(WEBHOOKS_CLAIM_GRACE=5) for _ in range(2)]
        stage.publish(EVENTS)
        receiver.wait_for(200)
        stage.postgres.end(signal.SIGKILL)
        time.sleep(OUTAGE)
        stage.postgres.resume()
        drained(stage, receiver, set(stage.in_flight()))
        assert set(Delivery.objects.values_list("tries", "orphaned_attempts")) == {(1, 0)}
        states = WebhookState.objects.values_list("window", "failures", "failing_since")
        assert set(states) == {(20, 0, None)}
        assert not Webhook.objects.exclude(paused_at=None).exists()
        assert not Attempt.objects.exclude(result__in=["delivered", "interrupted"]).exists()
        assert doubled(receiver) == {}
        for child in workers:
            assert child.runs, child.tail()
