"""`manage.py doctor`: what it finds where something is wrong, against the real database and Redis."""

from __future__ import annotations

import io
import json
import os
import time
from datetime import timedelta

import psycopg
import pytest
import redis
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from deliveries.maintenance import calls
from deliveries.management.doctor import (
    NOTE,
    OK,
    PROBLEM,
    Finding,
    database,
    examination,
    examine,
    safety,
    workers,
)
from deliveries.management.doctor.findings import without_password
from deliveries.models import MaintenanceTask
from deliveries.queueing import wakeups
from subscriptions.catalogue import load_event_types
from subscriptions.models import EventType
from tests.support.clouds import pubsub_settings
from tests.support.factories import make_webhook
from tests.support.refusals import REFUSALS, own_redis

__all__ = ["own_redis"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue():
    load_event_types()


def found(name: str) -> Finding:
    [finding] = [finding for finding in examine() if finding.name == name]
    return finding


def run(*words: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("doctor", *words, stdout=out, no_color=True)
    except SystemExit as end:
        return out.getvalue(), int(end.code)
    return out.getvalue(), 0


def test_a_migrated_database_a_full_catalogue_and_redis_are_in_order(settings):
    settings.EMBEDDED = True  # as in development, where the tests' Redis is all there is
    names = ("database", "migrations", "catalogue", "backlog", "redis", "broker", "encryption keys")
    assert {name: found(name).status for name in names} == dict.fromkeys(names, OK)


def test_outside_development_a_redis_without_append_only_file_is_noted(settings):
    settings.EMBEDDED = False
    assert (found("redis").status, found("redis").fix) == (NOTE, "Set appendonly yes, appendfsync everysec.")


def test_without_a_worker_it_exits_1_and_says_how_to_start_one():
    text, code = run()
    assert code == 1
    assert "problem worker:" in text
    assert "-Q deliveries,housekeeping -n" in text
    assert "--without-gossip --without-mingle --without-heartbeat" in text


def test_programs_get_one_json_object():
    text, code = run("--json")
    answer = json.loads(text)
    assert (answer["ok"], code) == (False, 1)
    assert {"name", "status", "text", "fix"} == answer["checks"][0].keys()
    assert {check["status"] for check in answer["checks"]} <= {OK, NOTE, PROBLEM}


def test_a_worker_shows_by_its_heartbeat_and_is_gone_when_it_stops():
    wakeups.heartbeat(worker=True)
    assert workers.live_workers() == [wakeups.WORKER_ID]
    assert found("worker").status == OK
    time.sleep(wakeups.STALE_MS / 1000 + 0.2)
    assert workers.live_workers() == []
    assert found("worker").status == PROBLEM


def test_a_worker_that_does_not_answer_celery_is_told(monkeypatch):
    monkeypatch.setattr(workers, "PING_TIMEOUT", 0.2)
    wakeups.heartbeat(worker=True)
    assert "same CELERY_BROKER_URL" in found("celery").fix


def test_redis_that_is_away_is_told_without_its_password(settings):
    settings.REDIS_URL = "redis://:hidden@127.0.0.1:1/0"
    finding = found("redis")
    assert finding.status == PROBLEM
    assert "redis://***@127.0.0.1:1/0 can't be reached" in finding.text
    assert "REDIS_URL" in finding.fix
    assert "hidden" not in run()[0]
    assert found("workers").status == NOTE  # it follows, and is said once


def test_redis_that_evicts_keys_is_a_problem():
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    before = client.config_get("maxmemory-policy")["maxmemory-policy"]
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "noeviction" in found("redis").fix
    finally:
        client.config_set("maxmemory-policy", before)
        client.close()


def test_a_broker_that_is_away_is_told(settings):
    settings.CELERY_BROKER_URL = "redis://:hidden@127.0.0.1:1/0"
    finding = found("broker")
    assert finding.status == PROBLEM
    assert "redis://***@127.0.0.1:1/0 can't be reached" in finding.text
    assert "CELERY_BROKER_URL" in finding.fix


def test_migrations_that_are_missing_are_told():
    [newest] = MigrationLoader(connection).graph.leaf_nodes("webhooks_deliveries")
    MigrationRecorder(connection).record_unapplied(*newest)
    finding = found("migrations")
    assert finding.status == PROBLEM
    assert "manage.py migrate" in finding.fix


def test_an_empty_catalogue_is_told():
    EventType.objects.all().delete()
    assert found("catalogue").status == PROBLEM


def test_secrets_of_a_lost_key_are_counted(settings):
    make_webhook()
    assert found("encryption keys").text.startswith("1 in use; 1 stored secrets")
    settings.WEBHOOKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    finding = found("encryption keys")
    assert finding.status == PROBLEM
    assert finding.text.startswith("1 of 1 stored secrets can't be decrypted")


def test_credentials_of_queues_count_as_secrets(settings):
    make_webhook(**pubsub_settings("http://127.0.0.1:9"))
    assert found("encryption keys").text.startswith("1 in use; 2 stored secrets")
    settings.WEBHOOKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert found("encryption keys").text.startswith("2 of 2 stored secrets can't be decrypted")


def test_a_key_that_is_none_is_told(settings):
    settings.WEBHOOKS_ENCRYPTION_KEYS = ["nonsense"]
    assert "WEBHOOKS_ENCRYPTION_KEYS" in found("encryption keys").fix


def test_an_open_way_inside_is_a_problem_in_production_and_a_note_in_development(settings):
    settings.DEBUG, settings.WEBHOOKS_REQUIRE_HTTPS = False, False
    settings.WEBHOOKS_ALLOWED_NETWORKS = ["10.0.0.0/8"]
    assert [finding.status for finding in safety.way_out()] == [PROBLEM, PROBLEM]
    settings.DEBUG = True
    assert [finding.status for finding in safety.way_out()] == [NOTE, NOTE]
    settings.WEBHOOKS_REQUIRE_HTTPS, settings.WEBHOOKS_ALLOWED_NETWORKS = True, []
    assert [finding.status for finding in safety.way_out()] == [OK, OK]


def test_beat_is_not_missed_where_nothing_is_scheduled(settings):
    settings.CELERY_BEAT_SCHEDULE = {}
    assert found("beat") == Finding("beat", OK, "Nothing is scheduled; it isn't needed.")


def test_beat_is_missed_where_its_calls_are_late_and_told_where_they_lie_ahead(settings):
    settings.CELERY_BEAT_SCHEDULE = {"purge": {"task": "purge", "schedule": 60}}
    assert (found("beat").status, "not called in time: purge" in found("beat").text) == (PROBLEM, True)
    calls.call_due(["purge"], lambda *_: True, lambda _: None)
    assert found("beat").status == OK
    row = MaintenanceTask.objects.get(name="beat: purge")
    for offset, status, word in (
        (-181, PROBLEM, "in time: purge"),
        (-170, OK, "in time"),
        (3600, PROBLEM, "purge by 3"),
    ):
        MaintenanceTask.objects.filter(pk=row.pk).update(ran_at=row.ran_at + timedelta(seconds=offset))
        finding = found("beat")
        assert (finding.status, word in finding.text) == (status, True), finding


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise RuntimeError("the roof\nfell in")
        yield

    monkeypatch.setattr(examination, "CHECKS", (broken, database.database))
    findings = list(examine())
    assert findings[0].status == PROBLEM
    assert "RuntimeError: the roof" in findings[0].text
    assert findings[1].status == OK


def test_a_url_is_shown_without_who_and_password():
    assert without_password("amqp://user:secret@host:5672/v") == "amqp://***@host:5672/v"
    assert without_password("redis://host:6379/0") == "redis://host:6379/0"


@pytest.mark.parametrize("says", ["OOM", "READONLY", "NOREPLICAS", "WRONGTYPE"])
def test_a_redis_that_answers_and_refuses_is_named(own_redis, says):
    with REFUSALS[says](own_redis):
        finding = found("redis")
        assert (finding.status, says in finding.text) == (PROBLEM, True)
        if says != "WRONGTYPE":
            assert says in found("broker").text


def test_a_broker_whose_queue_is_something_else_is_named(own_redis):
    with REFUSALS["WRONGTYPE of the broker"](own_redis):
        assert "WRONGTYPE" in found("broker").text
        assert found("redis").status != PROBLEM


@pytest.mark.django_db(transaction=True)
def test_an_old_transaction_is_named_with_its_age_and_session(monkeypatch):
    monkeypatch.setattr(database, "OLD_AFTER", 0.0)
    given = connection.get_connection_params()
    given = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if name in given}
    with psycopg.connect(**given, application_name="a backup") as other:
        other.execute("SELECT 42")
        finding = found("transactions")
        assert finding.status == PROBLEM
        assert "of a backup" in finding.text
        assert "idle in transaction" in finding.text
        assert finding.text.endswith("SELECT 42.")
        assert str(other.info.backend_pid) in finding.fix


SMTP = "django.core.mail.backends.smtp.EmailBackend"
LEFT_FROM_DEVELOPMENT = [
    # DEBUG, our own database, mail backend; ids of what is said as a problem
    (False, False, SMTP, set()),
    (True, False, SMTP, {"E002"}),
    (False, False, "django.core.mail.backends.console.EmailBackend", {"E003"}),
    (False, False, "django.core.mail.backends.dummy.EmailBackend", {"E003"}),
    (False, False, "django.core.mail.backends.filebased.EmailBackend", {"E003"}),
    (False, False, "django.core.mail.backends.locmem.EmailBackend", {"E003"}),
    (True, False, "django.core.mail.backends.console.EmailBackend", {"E002", "E003"}),
    (False, False, "anymail.backends.mailgun.EmailBackend", set()),
    (False, False, "our.console.EmailBackend", set()),
    (True, True, "django.core.mail.backends.console.EmailBackend", set()),
    (False, True, "django.core.mail.backends.console.EmailBackend", set()),
    (True, True, SMTP, set()),
]


@pytest.mark.parametrize(("debug", "own_database", "backend", "ids"), LEFT_FROM_DEVELOPMENT)
def test_what_is_left_from_development_is_a_problem_in_production(debug, own_database, backend, ids, settings):
    settings.DEBUG, settings.EMBEDDED_DATABASE, settings.EMAIL_BACKEND = debug, own_database, backend
    settings.ALLOWED_HOSTS, settings.WEBHOOKS_BASE_URL = ["hooks.example.com"], "https://hooks.example.com"
    problems = [finding for finding in safety.django_checks() if finding.status == PROBLEM]

    assert {each.text.rpartition("webhooks_subscriptions.")[2].rstrip(")") for each in problems} == ids
    assert all(each.fix for each in problems)
    if ids:
        assert run()[1] == 1
        with pytest.raises(SystemCheckError) as refused:
            call_command("check", "--deploy", stderr=io.StringIO())
        assert all(f"webhooks_subscriptions.{each}" in str(refused.value) for each in ids)
    else:
        call_command("check", "--deploy", stderr=io.StringIO())
