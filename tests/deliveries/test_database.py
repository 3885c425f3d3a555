from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from deliveries import database
from deliveries.database import DatabaseClock, clock
from deliveries.models import Event
from tests.engine import claim, due_one
from tests.factories import make_merchant

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
    """Promise 3: one statement serves both databases, so `now()` must read like what Django stores."""
    delivery = due_one()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now = database.as_datetime(cursor.fetchone()[0])
        cursor.execute("SELECT due_at <= now() FROM deliveries_delivery WHERE id = %s", [delivery.pk])
        assert cursor.fetchone()[0]
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 12, 0, 0, 0, UTC), "2026-03-01 12:00:00.000000"),
        (datetime(2026, 3, 1, 12, 0, 0, 5, UTC), "2026-03-01 12:00:00.000005"),
        (datetime.fromisoformat("2026-03-01T12:00:00+02:00"), "2026-03-01 10:00:00.000000"),
    ],
)
def test_sqlites_text_order_is_time_order(moment: datetime, text: str) -> None:
    assert database.sqlite_time(moment) == text
    assert database.as_datetime(text) == moment


_EVENT = {
    "public_id": "text",
    "merchant_id": "bigint",
    "type": "text",
    "data": "text",
    "size": "int",
    "resource_id": "text",
    "occurred_at": "timestamptz",
}


def _insert(*texts: str, tail: str = "") -> list[tuple[object, ...]]:
    merchant = make_merchant()
    rows = [(f"e{n}", merchant.pk, "t", text, len(text), text[:50], NOON) for n, text in enumerate(texts)]
    return database.insert_rows("deliveries_event", _EVENT, rows, computed={"created_at": "now()"}, tail=tail)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["plain", 'quotes " and \\ and {a,b}', "Ünïcödé ✓ 🎉", "%s %% $1", "line\nbreak\ttab", "NULL", ""]
)
def test_inserted_rows_hold_what_was_given(text: str) -> None:
    _insert(text)
    event = Event.objects.get()
    assert (event.data, event.resource_id, event.occurred_at) == (text, text, NOON)


@pytest.mark.django_db
def test_thousands_of_rows_are_one_statement_in_the_order_given() -> None:
    returned = _insert(*(f"text {n}" for n in range(5000)), tail="RETURNING id, data")
    assert len(returned) == 5000
    assert list(Event.objects.order_by("pk").values_list("data", flat=True)) == [f"text {n}" for n in range(5000)]


@pytest.mark.django_db
def test_no_rows_are_no_statement(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(0):
        assert database.insert_rows("deliveries_event", _EVENT, []) == []


def test_a_value_without_a_form_in_the_database_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        database.insert_rows("deliveries_event", _EVENT, [(object(),) * len(_EVENT)])
