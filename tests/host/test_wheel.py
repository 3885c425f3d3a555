"""The wheel: what is in it, and that it works where nothing else of ours is."""

from __future__ import annotations

import email
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.host.conftest import PROJECT, ROOT, Environment, clean, lowest, run

pytestmark = pytest.mark.wheel

PACKAGES = ("deliveries", "merchant_webhooks", "subscriptions", "webhooks_project")


def test_it_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES, cwd=ROOT).split()
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {name for name in listed if (ROOT / name).exists()}


def test_it_is_described_as_it_is_used(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        described = email.message_from_bytes(archive.read(name))
    assert described["Name"] == "merchant-webhooks"
    assert set(described.get_all("Provides-Extra") or []) >= {"admin", "embedded", "service"}
    assert described["License-Expression"] == "MIT"
    assert len(described.get_all("Project-URL") or []) >= 3
    assert "Framework :: Django :: 5.2" in (described.get_all("Classifier") or [])


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("tools") / "venv")
    environment.install("twine", "check-wheel-contents")
    return environment


def test_those_who_look_at_wheels_find_nothing(wheel: Path, tools: Environment) -> None:
    run(tools.python, "-m", "twine", "check", "--strict", wheel)
    # W004: names of migrations begin with digits, as Django has them.
    run(tools.folder / "bin" / "check-wheel-contents", "--ignore", "W004", "--toplevel", ",".join(PACKAGES), wheel)


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("bare") / "venv")
    environment.install(wheel, "--constraint", ROOT / "constraints.txt")
    return environment


def test_a_receiver_verifies_with_it(bare: Environment, tmp_path: Path) -> None:
    code = "import merchant_webhooks as m; print(m.verify({'X-Shopery-Secret': 'a b'}, b'', 'a b', 'shopery'))"
    assert run(bare.python, "-c", code, cwd=tmp_path) == "True\n"


SERVICE = """
import django, json, os
django.setup()
from django.core.management import call_command
from django.conf import settings
from subscriptions.models import EventType
call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING")
from django.test import Client
client = Client(SERVER_NAME="localhost")
print(json.dumps([EventType.objects.count() > 30, [app for app in settings.INSTALLED_APPS if "example" in app],
                  client.get("/admin/login/").status_code, client.get("/api/v1/webhooks").status_code]))
"""


@pytest.mark.parametrize("versions", ["pinned", "lowest"])
def test_the_service_runs_from_it(wheel: Path, versions: str, tmp_path: Path, servers: dict[str, str]) -> None:
    environment = Environment(tmp_path / "venv")
    chosen = tmp_path / "versions.txt"
    chosen.write_text("\n".join(lowest()) if versions == "lowest" else (ROOT / "constraints.txt").read_text())
    environment.install(f"{wheel}[admin,service]", "--constraint", chosen)
    database = run_sql(servers["DATABASE_URL"], f"service_{versions}")
    variables = {
        "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
        "DEBUG": "true",
        **servers,
        "DATABASE_URL": database,
    }
    done = run(environment.python, "-W", "ignore", "-c", SERVICE, cwd=tmp_path, env=clean(**variables))
    assert json.loads(done.strip().split("\n")[-1]) == [True, [], 200, 401]


def run_sql(url: str, name: str) -> str:
    """Make a database and return its address."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return url.rsplit("/", 1)[0] + f"/{name}"


def test_every_requirement_says_from_where_it_works() -> None:
    without = [line for line in PROJECT["dependencies"] if ">=" not in line and not line.startswith("tzdata")]
    assert without == []


def test_the_checkout_is_not_what_is_tested(bare: Environment, tmp_path: Path) -> None:
    where = run(bare.python, "-c", "import subscriptions; print(subscriptions.__file__)", cwd=tmp_path)
    assert str(bare.folder) in where
    assert sys.executable != str(bare.python)
    assert subprocess.run([bare.python, "-c", "import examples"], cwd=tmp_path, check=False).returncode == 1
