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
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail as outbox
from django.db import connection, transaction
from django.utils import timezone

from deliveries.models import Attempt, Delivery, Event, MaintenanceTask, Notice, Watch
from deliveries.notifications import watcher
from deliveries.recording import outcomes
from deliveries.worker import periodic_tasks, probes
from deliveries.worker.engine import Engine
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, claim_one, due, due_one, reread
from tests.support.factories import make_webhook
from webhooks_project.settings import periodic

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]


# --- the schedule -------------------------------------------------------------------------------------------------


def test_beat_calls_only_tasks_that_exist_on_the_housekeeping_queue():
    current_app.loader.import_default_modules()
    schedule = current_app.conf.beat_schedule
    ours = {task.name for task in vars(periodic_tasks).values() if hasattr(task, "apply_async")}
    assert len(ours) == 5
    assert ours <= {entry["task"] for entry in schedule.values()}
    assert all(entry["task"] in current_app.tasks for entry in schedule.values())
    assert all(entry["options"]["queue"] == "housekeeping" for entry in schedule.values())
    assert not any("expires" in entry["options"] for entry in schedule.values()), "beat's clock would set it"


def test_the_example_environment_names_every_variable_of_upkeep():
    read = set(re.findall(r"""env\.\w+\(\s*["']([A-Z_]+)["']""", Path(periodic.__file__).read_text()))
    lines = (ROOT / ".env.example").read_text()
    named = dict(re.findall(r"^#([A-Z_]+)=(.*)$", lines, re.MULTILINE))
    assert len(read) > 20
    assert read <= named.keys(), f"missing from .env.example: {sorted(read - named.keys())}"
    for name in read:
        value = getattr(settings, name)
        if not name.startswith("EMAIL") and isinstance(value, int | float):
            assert float(named[name]) == value, f"{name} has another default"


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
    monkeypatch.setattr(periodic_tasks.retention, "BATCH", 1)
    monkeypatch.setattr(periodic_tasks.retention.purge, "__kwdefaults__", {"batch": 1})
    monkeypatch.setattr(periodic_tasks, "PURGE_SLICE", -1.0)
    periodic_tasks.purge()
    assert Attempt.objects.count() == 2
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


# --- half-open ------------------------------------------------------------------------------------------------------


class Outlet:
    """Stands where the sender does: keeps what is submitted, so that a test can answer it."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def submit(self, rows: Any) -> None:
        self.rows += rows

    def answer(self, status: int | None) -> None:
        outcomes.record([answered(row, status) for row in self.rows])
        self.rows.clear()


@pytest.fixture
def outlet(monkeypatch: pytest.MonkeyPatch) -> Outlet:
    parts = Engine()
    outlet = Outlet()
    monkeypatch.setattr(parts, "sender", outlet)
    monkeypatch.setattr(probes, "engine", lambda: parts)
    return outlet


@pytest.fixture
def paused(settings: Any) -> Webhook:
    """A webhook that we paused with three deliveries waiting, and whose time for a probe has come."""
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 3, 0.0
    webhook = make_webhook()
    for delivery in due(webhook, 3):
        outcomes.record([answered(row, 503) for row in claim(webhook, limit=1).rows])
        del delivery
    watcher.look()
    Delivery.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    let_its_time_come()
    webhook.refresh_from_db()
    assert webhook.paused_at is not None
    return webhook


def let_its_time_come() -> None:
    Watch.objects.update(probe_at=timezone.now() - timedelta(seconds=1))


def test_a_paused_webhook_is_tried_with_exactly_one_delivery(paused, outlet):
    assert claim(paused).rows == [], "dispatchers claim nothing"
    assert probes.send() == 1
    assert probes.send() == 0
    [row] = outlet.rows
    oldest = Delivery.objects.order_by("due_at", "pk").filter(webhook=paused).exclude(status="sending").count()
    assert oldest == 2
    assert reread(Delivery.objects.get(pk=row.delivery_id)).status == Delivery.Status.SENDING
    paused.refresh_from_db()
    assert paused.paused_at is not None


def test_it_is_not_tried_before_its_time(paused, outlet):
    Watch.objects.update(probe_at=timezone.now() + timedelta(seconds=60))
    assert probes.send() == 0


def test_a_success_resumes_it_and_is_told(paused, outlet):
    probes.send()
    outlet.answer(200)
    assert probes.conclude() == 1
    paused.refresh_from_db()
    assert paused.paused_at is None
    assert claim(paused).rows != [], "deliveries flow again"
    watcher.look()
    assert Notice.objects.filter(kind=Notice.Kind.RECOVERED).count() == 1
    paused.refresh_from_db()
    assert paused.paused_at is None


def test_a_failure_keeps_it_paused_costs_no_try_and_doubles_the_wait(paused, outlet):
    probes.send()
    [row] = outlet.rows
    outlet.answer(503)
    assert probes.conclude() == 0
    delivery = Delivery.objects.get(pk=row.delivery_id)
    assert (delivery.status, delivery.tries, delivery.attempt_count) == (Delivery.Status.RETRYING, 1, 2)
    assert Attempt.objects.filter(delivery=delivery).count() == 2, "the log shows it"
    paused.refresh_from_db()
    assert paused.paused_at is not None
    state = Watch.objects.get()
    assert state.probe_wait == 2 * settings.WEBHOOKS_PROBE_WAIT
    assert state.probe_at is not None
    assert state.probe_at > timezone.now() + timedelta(seconds=1.9 * settings.WEBHOOKS_PROBE_WAIT)


def test_probes_never_end_a_chain_of_attempts(paused, outlet):
    Delivery.objects.update(tries=50)  # the next failure would be the last
    for _ in range(6):
        let_its_time_come()
        Delivery.objects.filter(status="retrying").update(due_at=timezone.now() - timedelta(minutes=1))
        assert probes.send() == 1
        outlet.answer(503)
        probes.conclude()
    assert Delivery.objects.filter(status=Delivery.Status.RETRYING, tries=50).count() == 3
    assert Watch.objects.get().probe_wait == settings.WEBHOOKS_PROBE_WAIT_MAX


def test_a_probe_without_an_outcome_yet_is_waited_for(paused, outlet):
    probes.send()
    assert probes.conclude() == 0
    assert Watch.objects.get().probe_delivery == outlet.rows[0].delivery_id


def test_a_probe_whose_worker_died_is_given_up(paused, outlet):
    probes.send()
    Watch.objects.update(probed_at=timezone.now() - timedelta(minutes=6))
    probes.conclude()
    assert Watch.objects.get().probe_delivery is None


def test_a_webhook_that_a_person_paused_is_not_tried(outlet):
    webhook = make_webhook()
    due_one(webhook)
    services.pause(webhook=webhook, by="ada")
    assert probes.send() == 0


def test_resumed_and_paused_again_by_a_person_it_is_theirs(paused, outlet):
    probes.send()
    services.resume(webhook=paused, by="ada")
    services.pause(webhook=paused, by="ada")
    outlet.answer(200)
    assert probes.conclude() == 0
    paused.refresh_from_db()
    assert paused.paused_by == "ada"


def test_a_disabled_or_deleted_webhook_is_not_tried(paused, outlet):
    services.disable(webhook=paused)
    assert probes.send() == 0


def test_with_nothing_to_send_nothing_is_tried(paused, outlet):
    Delivery.objects.update(status="cancelled", due_at=None)
    assert probes.send() == 0
