"""`manage.py doctor` on servers that are too old or too small, and on one part alone."""

from __future__ import annotations

import re

import psycopg
import pytest
from django.db import connection
from kombu import Connection

from deliveries.db import session_limits
from deliveries.management.doctor import NOTE, OK, PROBLEM, examination, redis_and_broker, versions
from subscriptions.catalogue import load_event_types
from tests.deliveries.commands.test_doctor import found, run
from tests.support.processes import ROOT
from tests.support.rabbitmq import RabbitMQ

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue():
    load_event_types()


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("13.22", True),
        ("9.6.24", True),
        ("14.0", False),
        ("14beta1", False),
        ("15.14 (Debian 15.14-0+deb12u1)", False),
        ("18.1", False),
        ("", False),
        ("devel", False),
    ],
)
def test_a_server_that_is_too_old_is_told_from_one_that_will_do(version: str, old: bool):
    assert versions.is_old(version.partition(" ")[0], (14,)) is old


@pytest.mark.parametrize(("name", "least"), [("database", "POSTGRESQL_MIN"), ("redis", "REDIS_MIN")])
def test_an_old_server_is_a_problem_with_both_versions(monkeypatch: pytest.MonkeyPatch, name: str, least: str):
    monkeypatch.setattr(versions, least, (99, 1))
    finding = found(name)
    assert finding.status == PROBLEM
    assert "too old" in finding.text
    assert "99.1 or newer" in finding.fix


@pytest.mark.parametrize("part", [check.__name__ for check in examination.CHECKS])
def test_one_part_can_be_asked_for_alone(part: str):
    report, _code = run("--only", part)
    [check] = [check for check in examination.CHECKS if check.__name__ == part]
    told = {finding.name for finding in check()}
    lines = [line for line in report.splitlines() if line.startswith((OK, NOTE, PROBLEM))]
    assert lines
    assert all(any(f" {name}:" in line for name in told) for line in lines)


@pytest.mark.parametrize("runs", [True, False], ids=["a process runs", "doctor alone"])
def test_more_sessions_than_postgresql_takes_are_a_problem(monkeypatch: pytest.MonkeyPatch, runs: bool):
    options = connection.settings_dict["OPTIONS"] | {"pool": {"max_size": 4, "timeout": 1}}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    given = connection.get_connection_params()
    place = {name: given[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**place, application_name="elsewhere:1 thread" if runs else "psql"):
        assert found("sessions").status == OK
        monkeypatch.setattr(session_limits, "OF_THE_ENGINE", 100_000)
        finding = found("sessions")
    assert finding.status == (PROBLEM if runs else OK)
    assert "(max_connections)" in finding.text
    assert not runs or "Raise max_connections" in finding.fix


def test_poolers_file_counts_the_sessions_of_a_process_as_the_doctor_does():
    [size] = re.findall(r"^#DATABASE_POOL_SIZE=(\d+)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
    text = (ROOT / "docs/ops/pgbouncer.ini").read_text("utf-8")
    assert f"up to {int(size) + session_limits.OF_THE_ENGINE} for each" in text


@pytest.mark.faults
def test_a_rabbitmq_tells_its_version():
    with RabbitMQ() as server, Connection(server.url) as asked:
        asked.ensure_connection(max_retries=1)
        assert versions.parsed(redis_and_broker.broker_version(asked)) >= versions.RABBITMQ_MIN


def test_an_old_broker_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_and_broker, "broker_version", lambda _connection: "3.8.9")
    finding = found("broker")
    assert finding.status == PROBLEM
    assert "3.8.9: too old" in finding.text
