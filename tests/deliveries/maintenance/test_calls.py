"""Beat's memory: what is due is decided by the database's clock, whatever the host's says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery import current_app
from celery.signals import task_prerun
from django.db import OperationalError
from django.db.models import F
from structlog.testing import capture_logs

from deliveries.maintenance import calls
from deliveries.models import MaintenanceTask
from deliveries.worker import periodic_tasks
from webhooks_project.beat import DatabaseScheduler

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def _beat(monkeypatch: pytest.MonkeyPatch) -> tuple[DatabaseScheduler, list[str]]:
    """Return a beat with the schedule of the settings, and the list of what it calls."""
    beat = DatabaseScheduler(current_app)
    called: list[str] = []
    monkeypatch.setattr(beat, "apply_async", lambda entry, **_: called.append(entry.name))
    return beat, called


def _shift(seconds: float) -> None:
    """Let all calls have been so much earlier, and begun."""
    MaintenanceTask.objects.update(ran_at=F("ran_at") - timedelta(seconds=seconds), position=0)


def _each(name: str, called_at: datetime, now: datetime) -> bool:
    return now - called_at >= MINUTE


@pytest.mark.parametrize("hours", [0, 1, -1, 24 * 365, -24 * 365])
def test_beat_calls_what_is_due_whatever_its_hosts_clock_says(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    with time_machine.travel(datetime.now().astimezone() + timedelta(hours=hours), tick=True):
        beat, called = _beat(monkeypatch)
        beat.tick()
        assert sorted(called) == sorted(current_app.conf.beat_schedule)
        called.clear()
        beat.tick()
        assert called == []
        _shift(16)
        beat.tick()
        assert sorted(called) == ["probe", "tell"]


@pytest.mark.parametrize("ahead", [2, 3600, 10**8])
def test_a_time_that_lies_ahead_is_put_right_and_said(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """A beat an hour ahead ran nothing for an hour after its clock was right again."""
    beat, called = _beat(monkeypatch)
    beat.tick()
    called.clear()
    _shift(-ahead)
    with capture_logs() as lines:
        beat.tick()
    assert sorted(called) == sorted(current_app.conf.beat_schedule)
    assert {line["entry"] for line in lines if line["event"] == "call_time_ahead"} == set(called)
    assert all(abs(ago) < timedelta(seconds=5) for ago in calls.last_calls(called).values() if ago is not None)


def test_two_beats_call_nothing_twice() -> None:
    called: list[str] = []
    for _ in range(2):
        calls.call_due(["one", "two"], _each, called.append)
    assert called == ["one", "two"]


def test_a_call_that_nobody_began_with_is_not_repeated_until_it_counts_as_lost() -> None:
    called: list[str] = []

    def due(*_arguments: Any) -> bool:
        return True

    calls.call_due(["one"], due, called.append)
    calls.call_due(["one"], due, called.append)
    assert called == ["one"]
    calls.begun(["one"])
    calls.call_due(["one"], due, called.append)
    assert called == ["one", "one"]
    MaintenanceTask.objects.update(ran_at=F("ran_at") - calls.LOST_AFTER)
    calls.call_due(["one"], due, called.append)
    assert called == ["one"] * 3


def test_what_could_not_be_sent_stays_due(monkeypatch: pytest.MonkeyPatch) -> None:
    beat, _called = _beat(monkeypatch)

    def refused(*_arguments: Any, **_named: Any) -> None:
        raise OSError("READONLY You can't write against a read only replica.")

    monkeypatch.setattr(beat, "apply_async", refused)
    with capture_logs() as lines:
        assert beat.tick() > 0
    assert "READONLY" in next(line["error"] for line in lines if line["event"] == "beat_waits_for_broker")
    beat, called = _beat(monkeypatch)
    beat.tick()
    assert sorted(called) == sorted(current_app.conf.beat_schedule)


def test_a_database_that_is_away_does_not_end_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    beat, _called = _beat(monkeypatch)

    def away(*_arguments: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(calls, "call_due", away)
    with capture_logs() as lines:
        assert beat.tick() > 0
    assert [line["event"] for line in lines] == ["beat_waits_for_database"]


def test_a_worker_that_begins_says_so() -> None:
    calls.call_due(["tell", "purge"], _each, lambda _: None)
    task_prerun.send(sender=periodic_tasks.tell, task=periodic_tasks.tell)
    waiting = MaintenanceTask.objects.filter(position=1).values_list("name", flat=True)
    assert list(waiting) == ["beat: purge"]
