"""Procfile, compose file and Dockerfile start the same processes, and give them the same time to end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from subscriptions.options import OPTIONS, variable

ROOT = Path(__file__).resolve().parents[2]
GRACE = 30  # seconds: a worker told to stop waits for one deadline of the requests it has open
PROCESSES = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def as_a_shell_without_variables_reads(command: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", command)


@pytest.mark.parametrize("process", PROCESSES)
def test_compose_runs_the_command_of_the_procfile(process: str):
    assert COMPOSE["services"][process]["command"] == PROCESSES[process]


def test_the_image_by_itself_runs_the_web_process():
    last = (ROOT / "Dockerfile").read_text().strip().splitlines()[-1]
    command = json.loads(last.removeprefix("CMD "))
    assert " ".join(command) == as_a_shell_without_variables_reads(PROCESSES["web"])


def test_every_container_has_the_grace_period_to_end():
    long_lived = {name: service for name, service in COMPOSE["services"].items() if name != "migrate"}
    assert {service["stop_grace_period"] for service in long_lived.values()} == {f"{GRACE}s"}


def test_web_requests_have_the_grace_period_to_end():
    assert f"--grace {GRACE}" in PROCESSES["web"]
    assert re.search(r"^GRACE := (\d+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1] == str(GRACE)


def test_each_queue_of_deliveries_is_worked_by_threads_that_leave_mingling_and_gossip_out():
    workers = [command for command in PROCESSES.values() if " worker " in command]
    assert {re.search(r"-Q (\S+)", command)[1] for command in workers} == {"deliveries,housekeeping"}
    assert all("-P threads" in command for command in workers)
    assert all("--without-gossip --without-mingle" in command for command in workers)


def test_redis_in_the_fleet_keeps_its_keys_and_evicts_none():
    command = COMPOSE["services"]["valkey"]["command"]
    assert "--appendonly yes --appendfsync everysec --maxmemory-policy noeviction" in command


def test_the_example_environment_names_every_variable_the_settings_read():
    folder = ROOT / "webhooks_project" / "settings"
    settings = "".join((folder / name).read_text() for name in ("__init__.py", "periodic.py", "web.py"))
    read = set(re.findall(r"""env\.\w+\(\s*["']([A-Z_]+)["']""", settings))
    named = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read |= {variable(key) for key in OPTIONS}
    assert len(read) > 60
    assert read <= named, f"missing from .env.example: {sorted(read - named)}"
