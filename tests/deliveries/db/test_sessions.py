from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from deliveries.db.sessions import DatabaseClock, clock
from tests.support.engine import claim, due_one

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_the_clock_carries_the_databases_time_on() -> None:
    """Promise 3: on time, by the database's clock, whatever the host's says."""
    clock = DatabaseClock()
    clock.set(NOON, 1000.0)
    assert clock.at(1000.0) == NOON
    assert clock.at(1002.5) == NOON + timedelta(seconds=2.5)
    assert clock.at(999.0) == NOON - timedelta(seconds=1)


def test_before_the_first_claim_the_clock_is_the_hosts() -> None:
    assert abs(DatabaseClock().at(time.monotonic()) - datetime.now(UTC)) < timedelta(seconds=1)


@pytest.mark.django_db(transaction=True)
def test_each_claim_sets_the_clock_by_the_database() -> None:
    """Promise 3."""
    clock.set(NOON, time.monotonic())
    delivery = due_one()
    claim(delivery.webhook)
    delivery.refresh_from_db()
    assert delivery.claimed_at is not None
    assert abs(clock.at(time.monotonic()) - delivery.claimed_at) < timedelta(seconds=5)


@pytest.mark.django_db(transaction=True)
def test_waiting_for_the_database_does_not_move_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 3: else retries would be late, and countdown wake-ups early, by the time a pool was empty."""
    delivery = due_one()
    connect = BaseDatabaseWrapper.ensure_connection

    def slowly(self: BaseDatabaseWrapper) -> None:
        if self.connection is None:
            time.sleep(0.5)
        connect(self)

    connection.close()
    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "ensure_connection", slowly)
        claim(delivery.webhook)
    delivery.refresh_from_db()
    assert delivery.claimed_at is not None
    assert clock.at(time.monotonic()) - datetime.now(UTC) < timedelta(seconds=0.4)


@pytest.mark.django_db
def test_now_and_the_stored_times_agree() -> None:
    """Promise 3: due times are compared with the database's clock."""
    delivery = due_one()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        [now] = cursor.fetchone()
        cursor.execute("SELECT due_at <= now() FROM webhooks_deliveries_delivery WHERE id = %s", [delivery.pk])
        assert cursor.fetchone()[0]
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=60)
