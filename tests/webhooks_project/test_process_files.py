"""Procfile, compose file and Dockerfile start the same processes, and give them the same time to end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
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
    settings = "".join((folder / name).read_text() for name in ("__init__.py", "databases.py", "periodic.py", "web.py"))
    read = set(re.findall(r"""env\.\w+\(\s*["']([A-Z_]+)["']""", settings))
    named = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read |= {variable(key) for key in OPTIONS}
    assert len(read) > 60
    assert read <= named, f"missing from .env.example: {sorted(read - named)}"


OURS = ("web", "worker", "beat")
IMAGE = re.compile(r"[\w/-]+:\d+\.\d+(\.\d+)?(-[\w-]+)?")


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_may_write_and_do_nothing_but_what_is_named(name: str):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= set(service)
    allowed = set() if name in {*OURS, "migrate"} else {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    assert set(service.get("cap_add", [])) <= allowed


@pytest.mark.parametrize("name", [name for name in COMPOSE["services"] if name != "migrate"])
def test_every_role_has_a_health_check(name: str):
    assert COMPOSE["services"][name]["healthcheck"]["test"]


def test_web_is_reached_from_this_machine_only_unless_it_is_opened():
    ports = COMPOSE["services"]["web"]["ports"]
    assert [as_a_shell_without_variables_reads(port) for port in ports] == ["127.0.0.1:8000:8000"]
    assert not [name for name, service in COMPOSE["services"].items() if name != "web" and service.get("ports")]


def test_images_are_pinned():
    images = [service["image"] for name, service in COMPOSE["services"].items() if name not in {*OURS, "migrate"}]
    images += re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 3
    assert all(IMAGE.fullmatch(image) for image in images), images


# --- systemd ----------------------------------------------------------------------------------------------------------

UNITS = {path.name: path for path in sorted((ROOT / "docs/ops/systemd").iterdir())}
SERVICES = {
    "web": UNITS["webhooks-web.service"],
    "worker": UNITS["webhooks-worker@.service"],
    "beat": UNITS["webhooks-beat.service"],
}
PLACE = "/opt/webhooks/.venv/bin/"
EXPOSURE_MAX = 20
"""Of systemd's own figures, in tenths of a point of ten: "OK" ends at 50, what most services are comes to 90."""


def values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_unit_runs_the_command_of_the_procfile(process: str):
    [command] = values(SERVICES[process], "ExecStart")
    wanted = as_a_shell_without_variables_reads(PROCESSES[process])
    wanted = wanted.replace("--host 0.0.0.0", "--host 127.0.0.1").replace("worker-0@%h", "worker-%i@%%h")
    assert command == PLACE + wanted


def test_reloading_first_sees_whether_what_is_started_can_start():
    [start] = values(SERVICES["web"], "ExecStart")
    first, second = values(SERVICES["web"], "ExecReload")
    options = re.search(r"--processes \d+ --pages \d+", start)[0]
    assert first == f"{PLACE}python -m webhooks_project.server {options} --check"
    assert "kill -HUP" in second


@pytest.mark.parametrize("process", PROCESSES)
def test_a_unit_grants_the_time_to_end_and_starts_again(process: str):
    [seconds] = values(SERVICES[process], "TimeoutStopSec")
    assert int(seconds) > GRACE
    assert values(SERVICES[process], "Restart") == ["always"]
    assert values(SERVICES[process], "KillMode") == ["mixed"]


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units in a folder, with programs that are there."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed; Debian's package is systemd")
    folder = tmp_path_factory.mktemp("units")
    for name, path in UNITS.items():
        for real in (name, name.replace("@.", "@1.")):
            (folder / real).write_text(re.sub(rf"{PLACE}\w+", "/bin/true", path.read_text()))
    return folder


def test_systemd_takes_the_units(placed: Path):
    units = [str(placed / name.replace("@.", "@1.")) for name in UNITS]
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    about_ours = [line for line in told.stderr.splitlines() if "webhooks" in line]
    assert (told.returncode, about_ours) == (0, []), told.stderr


@pytest.mark.parametrize("process", PROCESSES)
def test_a_unit_exposes_little(placed: Path, process: str):
    unit = placed / SERVICES[process].name.replace("@.", "@1.")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
