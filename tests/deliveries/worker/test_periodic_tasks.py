"""What beat calls: the schedule, the tasks, and probing webhooks that we paused."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.contrib.sessions.models import Session
from django.core import mail as outbox
from django.db import connection, transaction
from django.utils import timezone

from deliveries.models import Attempt, Delivery, Event, MaintenanceTask
from deliveries.notifications import watcher
from deliveries.recording import outcomes
from deliveries.worker import periodic_tasks
from subscriptions.options import OPTIONS, variable
from tests.support.engine import answered, claim_one, due_one

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]


# --- the schedule -------------------------------------------------------------------------------------------------


def test_beat_calls_only_tasks_that_exist_on_the_housekeeping_queue():
    current_app.loader.import_default_modules()
    schedule = current_app.conf.beat_schedule
    ours = {task.name for task in vars(periodic_tasks).values() if hasattr(task, "apply_async")}
    assert len(ours) == 6
    assert ours <= {entry["task"] for entry in schedule.values()}
    assert all(entry["task"] in current_app.tasks for entry in schedule.values())
    assert all(entry["options"]["queue"] == "housekeeping" for entry in schedule.values())
    assert not any("expires" in entry["options"] for entry in schedule.values()), "beat's clock would set it"


def test_the_example_environment_has_the_defaults_of_all_options():
    lines = (ROOT / ".env.example").read_text()
    named = dict(re.findall(r"^#([A-Z_]+)=(.*)$", lines, re.MULTILINE))
    for key, option in OPTIONS.items():
        name, default = variable(key), option.default
        assert name in named, "missing from .env.example"
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert float(named[name]) == default, f"{name} has another default"


# --- the tasks ----------------------------------------------------------------------------------------------------


def test_a_final_failure_is_mailed_by_one_call(settings):
    settings.WEBHOOKS_NOTICE_WAIT = 0.0
    delivery = due_one(retry_policy={"delays": []})
    outcomes.record([answered(claim_one(delivery), 500)])
    periodic_tasks.tell()
    assert [message.subject for message in outbox.outbox] == ["Deliveries given up: shop.example.com"]


def test_the_purge_stops_at_the_end_of_its_slice_and_goes_on_with_the_next_call(monkeypatch):
    for _ in range(3):
        delivery = due_one()
        outcomes.record([answered(claim_one(delivery))])
    long_ago = timezone.now() - timedelta(days=1000)
    Attempt.objects.update(started_at=long_ago)
    monkeypatch.setattr(periodic_tasks.retention.purge_oldest_first, "__kwdefaults__", {"batch": 1})
    monkeypatch.setattr(periodic_tasks, "PURGE_SLICE", -1.0)
    periodic_tasks.purge()
    emptied = Attempt.objects.filter(request_headers="[]")
    assert (emptied.count(), Attempt.objects.count()) == (1, 3), "one batch, of what is most overdue"
    monkeypatch.setattr(periodic_tasks, "PURGE_SLICE", 60.0)
    periodic_tasks.purge()
    assert not Attempt.objects.exists()


def test_expired_sessions_are_deleted_and_others_kept():
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now() - timedelta(days=1))
    Session.objects.create(session_key="new", session_data="", expire_date=timezone.now() + timedelta(days=1))
    periodic_tasks.clear_sessions()
    assert Session.objects.get().session_key == "new"


# --- one at a time ------------------------------------------------------------------------------------------------


@contextmanager
def held_elsewhere(model: Any, **which: Any) -> Iterator[None]:
    """Hold the lock of a row in another session, as another process would."""
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            model.objects.select_for_update().get(**which)
            locked.set()
            done.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(20)
    yield
    done.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_while_another_process_looks_this_one_leaves_at_once(settings):
    settings.WEBHOOKS_NOTICE_WAIT = 0.0
    delivery = due_one(retry_policy={"delays": []})
    outcomes.record([answered(claim_one(delivery), 500)])
    MaintenanceTask.objects.create(name="notices")
    with held_elsewhere(MaintenanceTask, name="notices"):
        assert watcher.look() == 0
    assert watcher.look() == 2


@pytest.mark.django_db(transaction=True)
def test_a_purge_passes_by_what_somebody_is_replaying():
    first, second = due_one(), due_one()
    for delivery in (first, second):
        outcomes.record([answered(claim_one(delivery))])
    long_ago = timezone.now() - timedelta(days=1000)
    Delivery.objects.update(created_at=long_ago, closed_at=long_ago)
    Event.objects.update(created_at=long_ago)
    with held_elsewhere(Delivery, pk=first.pk):
        periodic_tasks.purge()
        assert list(Delivery.objects.values_list("pk", flat=True)) == [first.pk]
        assert list(Event.objects.values_list("pk", flat=True)) == [first.event_id]
    periodic_tasks.purge()
    assert not Event.objects.exists()
