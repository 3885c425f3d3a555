"""What the doctor says, where and how often: each fault once, in its own words, with a fix that breaks nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from django.db import connection

from deliveries.maintenance import calls
from deliveries.management.doctor import NOTE, PROBLEM, Finding, database, examine, safety, workers
from deliveries.models import MaintenanceTask
from deliveries.queueing import wakeups
from deliveries.reporting.transactions import Transaction
from deliveries.worker import health_files
from tests.support.processes import ROOT, environment, worker

pytestmark = pytest.mark.django_db
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def found(name: str) -> Finding:
    [finding] = [finding for finding in examine() if finding.name == name]
    return finding


def problems() -> list[str]:
    return [finding.name for finding in examine() if finding.status == PROBLEM]


def test_what_follows_from_a_redis_that_is_away_is_no_problem_of_its_own(settings):
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    settings.CELERY_BEAT_SCHEDULE = {}
    of_redis = {"redis", "broker", "workers", "worker", "celery", "queues", "beat"}
    assert [name for name in problems() if name in of_redis] == ["redis"]
    assert found("broker").text == "It is the Redis that can't be reached."


def test_a_malformed_key_is_said_once(settings):
    settings.WEBHOOKS_ENCRYPTION_KEYS = ["nonsense"]
    told = [each.name for each in examine() if each.status == PROBLEM and "_KEYS" in f"{each.text} {each.fix}"]
    assert told == ["encryption keys"]


@pytest.mark.parametrize(("ours", "side"), [(+5.0, "5.0 s ahead of"), (-5.0, "5.0 s behind")])
def test_a_clock_that_differs_is_told_with_its_side(monkeypatch, ours, side):
    now = time.time
    monkeypatch.setattr(database.time, "time", lambda: now() + ours)
    finding = found("clocks")
    assert (finding.status, f"This machine's is {side} the database's." in finding.text) == (PROBLEM, True), finding


REASONS = [
    ({"PASSWORD": "wrong"}, "password authentication failed"),
    ({"USER": "nobody_here"}, "nobody_here"),
    ({"NAME": "no_such_database"}, 'database "no_such_database" does not exist'),
    ({"PORT": "1"}, "Connection refused"),
]


@pytest.mark.parametrize(("changed", "reason"), REASONS)
def test_a_database_that_refuses_is_told_in_its_own_words(changed, reason):
    given = connection.settings_dict
    options = {"HOST": given["HOST"], "PORT": given["PORT"], "NAME": given["NAME"]} | changed
    url = "postgres://{user}:{password}@{HOST}:{PORT}/{NAME}".format(
        user=options.get("USER", given["USER"]), password=options.get("PASSWORD", given["PASSWORD"]), **options
    )
    text, code = doctor(DATABASE_URL=url)
    [line] = [line for line in text.splitlines() if line.startswith("problem database:")]
    assert (code, reason in line) == (1, True), line


def doctor(*words: str, **variables: str) -> tuple[str, int]:
    """Run the command in a process of its own, in which the environment is read."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor", *words],
        env=environment(**{"DEBUG": "true"} | variables),
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return ended.stdout + ended.stderr, ended.returncode


WRONG = [
    ({"WEB_THREADS": "many"}, ["WEB_THREADS='many'"]),
    ({"WEBHOOKS_RECORD_CHUNK": "0"}, ["WEBHOOKS_RECORD_CHUNK='0'"]),
    (
        {"WEBHOOKS_RECORD_CHUNK": "0", "WEBHOOKS_ALLOWED_PORTS": "x"},
        ["RECORD_CHUNK='0'", "ALLOWED_PORTS='x'"],
    ),
    ({"DATABASE_URL": "mysql://user:hidden@host/name"}, ["DATABASE_URL"]),
    ({"DEBUG": "false", "SECRET_KEY": ""}, ["SECRET_KEY is not set"]),
    ({"LOG_LEVEL": "LOUD"}, ["LOG_LEVEL='LOUD'"]),
]


@pytest.mark.parametrize(("variables", "texts"), WRONG)
def test_a_wrong_value_in_the_environment_is_a_finding(variables, texts):
    text, code = doctor("--json", **variables)
    answer = json.loads(text)
    assert (answer["ok"], code) == (False, 1)
    assert [check["name"] for check in answer["checks"]] == ["environment"] * len(texts)
    assert all(any(wanted in check["text"] for check in answer["checks"]) for wanted in texts), answer
    assert all(".env.example" in check["fix"] for check in answer["checks"])
    assert "hidden" not in text
    plain, code = doctor(**variables)
    assert (code, "Traceback" in plain, plain.startswith("problem environment:")) == (1, False, True), plain


def test_checks_that_are_silenced_are_not_said_but_noted(settings):
    settings.DEBUG, settings.EMBEDDED_DATABASE = False, False
    settings.SILENCED_SYSTEM_CHECKS = ["webhooks_subscriptions.E003"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert "E003" not in found_all("settings")
    assert "webhooks_subscriptions.E003" in found_all("silenced checks")
    settings.SILENCED_SYSTEM_CHECKS = ["security.W021"]  # the service's own, for a reason
    assert "W021" not in found_all("settings") + found_all("silenced checks")


def found_all(name: str) -> str:
    return " ".join(finding.text for finding in examine() if finding.name == name)


@pytest.mark.parametrize(("queues", "missing"), [(("deliveries",), "housekeeping"), (("housekeeping",), "deliveries")])
@pytest.mark.django_db(transaction=True)
def test_a_queue_that_nobody_consumes_is_told_and_the_fix_starts_a_worker_for_both(queues, missing, settings):
    given = connection.settings_dict
    url = f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    redis_url = settings.MERCHANT_WEBHOOKS["REDIS_URL"]
    wakeups.heartbeat(worker=True)
    with worker(environment(DATABASE_URL=url, REDIS_URL=redis_url, DEBUG="true"), queues=queues):
        wakeups.heartbeat(worker=True)
        finding = found("queues")
    assert (finding.status, f"'{missing}'" in finding.text) == (PROBLEM, True)
    assert "-Q deliveries,housekeeping" in finding.fix


def test_the_command_that_starts_a_worker_names_this_installations_queues(monkeypatch):
    monkeypatch.setattr(wakeups, "QUEUE", "ours")
    monkeypatch.setattr(workers, "HOUSEKEEPING", "theirs")
    assert "-Q ours,theirs" in workers.start_command()


def test_a_worker_of_this_host_that_takes_no_tasks_is_told(settings, tmp_path):
    settings.STATE_DIR = tmp_path
    health_files.write(tmp_path, "its consumer hangs")
    wakeups.heartbeat(worker=True)
    assert "its consumer hangs" in found("worker health").text


def test_calls_that_nobody_begins_with_are_told(settings):
    settings.CELERY_BEAT_SCHEDULE = {"purge": {"task": "purge", "schedule": 60}}
    calls.call_due(["purge"], lambda *_: True, lambda _: None)
    MaintenanceTask.objects.filter(name="beat: purge").update(position=3)
    finding = found("beat")
    assert (finding.status, "no worker has begun" in finding.text) == (PROBLEM, True)


def test_a_transaction_at_work_is_not_to_be_ended_blindly(monkeypatch):
    monkeypatch.setattr(database.transactions, "oldest", lambda: Transaction(99.0, 7, "a backup", "active", "", "COPY"))
    finding = found("transactions")
    assert (finding.status, "pg_terminate_backend" in finding.fix) == (NOTE, False)


LOCAL = [
    "http://localhost:8000",
    "http://127.0.0.1",
    "https://[::1]/x",
    "http://0.0.0.0:8000",
    "https://LOCALHOST",
    "http://a.localhost",
]
PUBLIC = ["https://hooks.example.com", "http://10.0.0.5:8000", "https://localhost.example.com", "https://intranet"]


@pytest.mark.parametrize(("url", "ids"), [*((url, {"E020"}) for url in LOCAL), *((url, set()) for url in PUBLIC)])
def test_links_that_lead_to_the_readers_own_machine_are_a_problem_in_production(url, ids, settings):
    settings.DEBUG, settings.EMBEDDED_DATABASE, settings.EMAIL_BACKEND = False, False, SMTP
    settings.ALLOWED_HOSTS, settings.WEBHOOKS_BASE_URL = ["hooks.example.com"], url
    told = [finding.text for finding in safety.django_checks() if finding.status == PROBLEM]
    assert {each.rpartition("webhooks_subscriptions.")[2].rstrip(")") for each in told} == ids


def test_no_allowed_hosts_are_a_problem_in_production_said_once(settings):
    settings.DEBUG, settings.EMBEDDED_DATABASE, settings.EMAIL_BACKEND = False, False, SMTP
    settings.ALLOWED_HOSTS, settings.WEBHOOKS_BASE_URL = [], "https://hooks.example.com"
    told = [finding for finding in safety.django_checks() if "ALLOWED_HOSTS" in finding.text]
    assert [finding.status for finding in told] == [PROBLEM]
