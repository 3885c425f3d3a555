"""Attempts in parts: made ahead, missed by no insert, dropped as a whole, and purged in batches where they stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from deliveries.maintenance import parts, retention
from deliveries.management.doctor import OK, PROBLEM, examine
from deliveries.models import Attempt, Delivery, HourCounter
from deliveries.recording import outcomes
from deliveries.reporting import metrics
from deliveries.review import manual_actions
from deliveries.worker import periodic_tasks
from tests.support.aging import LONG_AGO, age, purge, settled
from tests.support.engine import answered, claim_one, due_one
from tests.support.factories import make_webhook
from tests.support.parts import KEYS, fill, in_parts, layout, place_of, read, rows_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def _in_parts(db: None) -> Iterator[None]:
    with in_parts():
        yield


usual = pytest.mark.usefixtures("_in_parts")


def use_up(keys: int) -> None:
    """Give out so many keys that no row has, as transactions do that are rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('webhooks_deliveries_attempt', 'id')) FROM generate_series(1, %s)",
            [keys],
        )


def sample(name: str) -> float:
    lines = metrics.exposition().decode().splitlines()
    [value] = [line.rsplit(" ", 1)[1] for line in lines if line.startswith(f"{name} ")]
    return float(value)


def finding() -> Any:
    return next((each for each in examine(["database"]) if each.name == "parts"), None)


def run_purge() -> None:
    """Run what beat calls."""
    periodic_tasks.purge()


# --- made ahead -------------------------------------------------------------------------------------------------------


@usual
def test_two_parts_stand_ready_and_a_third_is_made_once_keys_come_to_the_first() -> None:
    first = read().last_key + 1
    assert [part.low for part in read().ranges] == [None, first, first + KEYS]
    fill(KEYS - 1)
    assert len(read().ranges) == 4  # the oldest, the one written to, and two ahead
    assert read().ahead == parts.AHEAD
    fill(2)
    assert [(low, rows) for low, _high, rows in layout()] == [
        (None, 0),
        (first, KEYS),
        (first + KEYS, 1),
        (first + 2 * KEYS, 0),
        (first + 3 * KEYS, 0),
    ]
    assert read().outside() == 0


@usual
def test_bounds_leave_no_key_out() -> None:
    fill(2 * KEYS)
    bounds = [(low, high) for low, high, _rows in layout()]
    assert [high for _low, high in bounds[:-1]] == [low for low, _high in bounds[1:]]


@usual
def test_a_part_gets_as_many_keys_as_its_time_needs_by_the_attempts_of_the_last_week(settings: Any) -> None:
    settings.WEBHOOKS_KEEP_ATTEMPTS = 84  # a part is to last a week
    webhook = make_webhook()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for result, count in (("delivered", 300), ("failed", 100), ("interrupted", 50), ("lateness", 7000), ("skipped", 9)):
        HourCounter.objects.create(
            merchant=webhook.merchant, webhook=webhook, bucket=hour, result=result, band=1, count=count
        )
    HourCounter.objects.create(
        merchant=webhook.merchant, webhook=webhook, bucket=hour - timedelta(days=8), result="failed", band=1, count=5000
    )
    assert parts.keys_a_part() == 450
    settings.WEBHOOKS_KEEP_ATTEMPTS = 0  # for ever: a month each
    assert parts.keys_a_part() == int(450 * 30 / 7)


def test_a_whole_table_is_left_as_it_is() -> None:
    assert parts.look_after() == parts.Done()
    assert finding() is None
    assert sample("webhooks_attempts_outside_parts") == 0
    assert sample("webhooks_attempt_parts_ahead") != sample("webhooks_attempt_parts_ahead")  # NaN


# --- where none was ahead ---------------------------------------------------------------------------------------------


@usual
def test_what_comes_where_no_part_is_ahead_is_kept_seen_and_taken_in() -> None:
    assert finding().status == OK
    use_up(2 * KEYS)
    assert sample("webhooks_attempt_parts_ahead") == 0
    assert finding().status == PROBLEM
    deliveries = [settled(), settled()]
    assert place_of(deliveries[0].attempts.get()) == read().rest
    assert sample("webhooks_attempts_outside_parts") == 2
    assert "2 attempts came where no part was ahead" in finding().text
    assert parts.look_after().taken_in == 2
    assert read().outside() == 0
    assert read().ahead == parts.AHEAD
    assert finding().status == OK
    assert [delivery.attempts.get().status_code for delivery in deliveries] == [200, 200]
    assert place_of(deliveries[0].attempts.get()) == place_of(deliveries[1].attempts.get()) != read().rest
    later = settled().attempts.get()
    assert later.pk > deliveries[1].attempts.get().pk
    assert place_of(later) not in {read().rest, place_of(deliveries[1].attempts.get())}
    bounds = [(low, high) for low, high, _rows in layout()]
    assert [high for _low, high in bounds[:-1]] == [low for low, _high in bounds[1:]]


@usual
def test_a_line_that_takes_anothers_place_keeps_its_key_even_where_its_part_is_gone() -> None:
    delivery = fill(2 * KEYS)[0]
    line = delivery.attempts.get()
    age(*Delivery.objects.all())
    run_purge()
    Attempt.objects.create(
        id=line.pk, delivery_id=delivery.pk, webhook_id=line.webhook_id, number=1, result="failed",
        started_at=timezone.now(), url="https://x",
    )  # fmt: skip
    assert read().outside() == 0
    assert place_of(line) == read().ranges[0].name


# --- dropped ----------------------------------------------------------------------------------------------------------


@usual
def test_a_part_goes_as_a_whole_once_all_of_its_rows_are_old() -> None:
    first = read().last_key + 1
    deliveries = fill(2 * KEYS + 1)
    before = layout()
    age(*deliveries[:KEYS])
    with capture_logs() as lines:
        run_purge()
    assert [line["dropped"] for line in lines if line["event"] == "attempt_parts"] == [1]
    assert [line for line in lines if line["event"] == "purged" and line["kind"] == "attempts"] == []  # by no batch
    assert layout() == [(None, first + KEYS, 0), *before[2:]]
    assert Attempt.objects.count() == KEYS + 1


@usual
def test_a_part_that_is_old_but_for_one_row_stays_whole() -> None:
    deliveries = fill(2 * KEYS)
    age(*deliveries[: KEYS - 1], by=timedelta(days=91))
    before = layout()
    run_purge()
    assert layout() == before


@usual
def test_rows_stay_no_longer_than_a_part_is_to_last_where_it_lasts_longer() -> None:
    deliveries = fill(2 * KEYS)
    age(*deliveries[:3], by=timedelta(days=90) + parts.span() + timedelta(minutes=1))
    age(*deliveries[3:5], by=timedelta(days=90) + parts.span() - timedelta(minutes=1))
    run_purge()
    assert Attempt.objects.count() == 2 * KEYS - 3


@usual
def test_the_part_that_is_written_to_and_those_ahead_stay_however_old_their_rows_are() -> None:
    deliveries = fill(KEYS // 2)
    count = len(read().ranges)
    age(*deliveries)
    run_purge()
    assert len(read().ranges) == count
    assert Attempt.objects.count() == 0  # in batches
    assert place_of(settled().attempts.get()) == read().ranges[1].name


def in_review() -> Delivery:
    return settled(status=500)


def to_be_retried() -> Delivery:
    delivery = due_one()
    outcomes.record([answered(claim_one(delivery), 500)])
    return delivery


@usual
@pytest.mark.parametrize("stays", [in_review, to_be_retried], ids=lambda stays: stays.__name__)
def test_what_is_open_or_in_review_moves_to_the_part_below_and_goes_once_it_is_closed(stays: Any) -> None:
    kept = stays()
    deliveries = [kept, *fill(3 * KEYS)]
    line = Attempt.objects.values().get(delivery=kept)
    age(*deliveries[: 2 * KEYS])
    line["started_at"] -= LONG_AGO
    run_purge()
    assert Attempt.objects.values().get(delivery=kept) == line
    assert place_of(kept.attempts.get()) == read().ranges[0].name
    assert [rows for _low, _high, rows in layout()][:2] == [1, KEYS]
    if kept.status == "dead":
        manual_actions.discard(delivery=kept, by="ada")
    else:
        manual_actions.cancel(delivery=kept, by="ada")
    age(kept, by=LONG_AGO)
    run_purge()
    assert not Attempt.objects.filter(delivery_id=kept.pk).exists()


@usual
def test_a_part_with_too_many_of_those_is_purged_in_batches_and_those_after_it_go(monkeypatch: Any) -> None:
    monkeypatch.setattr(parts, "STAYS_MAX", 1)
    webhook = make_webhook(retry_policy={"delays": []})
    kept = [settled(webhook, status=500) for _ in range(2)]
    deliveries = [*kept, *fill(3 * KEYS)]
    first = read().ranges[1]
    age(*deliveries[: 2 * KEYS])
    run_purge()
    assert rows_of(first.name) == sorted(Attempt.objects.filter(delivery__in=kept).values_list("pk", flat=True))
    assert [(low, high) for low, high, _rows in layout()][1] == (first.low, first.high + KEYS)
    run_purge()
    assert Attempt.objects.filter(delivery__in=kept).count() == 2


@usual
def test_attempts_of_deliveries_that_are_purged_wait_for_their_part(settings: Any) -> None:
    deliveries = fill(2 * KEYS)
    age(deliveries[0], by=timedelta(days=91))
    purge("deliveries", "events")
    assert Delivery.objects.count() == Attempt.objects.count() - 1
    # Where deliveries are kept shorter than attempts, none outlives its own.
    settings.WEBHOOKS_KEEP_DELIVERIES = 30
    age(deliveries[1], by=timedelta(days=31))
    purge("deliveries")
    assert not Attempt.objects.filter(delivery_id=deliveries[1].pk).exists()
    settings.WEBHOOKS_KEEP_DELIVERIES, settings.WEBHOOKS_KEEP_EVENTS = 0, 30
    age(deliveries[2], by=timedelta(days=31))
    purge("events")
    assert not Attempt.objects.filter(delivery_id=deliveries[2].pk).exists()


@usual
def test_what_is_kept_for_ever_is_never_dropped(settings: Any) -> None:
    settings.WEBHOOKS_KEEP_ATTEMPTS = settings.WEBHOOKS_KEEP_DELIVERIES = settings.WEBHOOKS_KEEP_EVENTS = 0
    age(*fill(2 * KEYS))
    run_purge()
    assert Attempt.objects.count() == 2 * KEYS


@usual
def test_a_dry_run_counts_what_goes_with_parts_and_what_goes_in_batches() -> None:
    deliveries = fill(2 * KEYS + 1)
    kind = next(each for each in retention.kinds() if each.name == "attempts")
    age(*deliveries[: KEYS + 3], by=timedelta(days=91))
    assert retention.estimate(kind) == KEYS
    age(deliveries[KEYS], by=timedelta(days=30))
    assert retention.estimate(kind) == KEYS + 1


@usual
@pytest.mark.parametrize(("ago", "times"), [(None, 1), (timedelta(hours=25), 1), (timedelta(hours=23), 0)])
def test_the_table_as_a_whole_is_analyzed_once_a_day(monkeypatch: Any, ago: timedelta | None, times: int) -> None:
    asked: list[str] = []
    monkeypatch.setattr(parts.part_tables, "run", asked.append)
    last = ago and timezone.now() - ago
    monkeypatch.setattr(parts, "one", lambda _sql, *, since: last is not None and last > since)
    parts.look_after()
    assert len([statement for statement in asked if statement.startswith("ANALYZE")]) == times
