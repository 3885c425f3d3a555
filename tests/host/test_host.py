"""A project that stood before: the wheel is installed into it, webhooks work, and nothing of its own has changed."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import ROOT, Environment, clean, lowest, run
from tests.host.test_wheel import run_sql
from tests.support.receiver import TestReceiver
from webhooks_project.embedded import free_port

pytestmark = pytest.mark.wheel

SECRET = 'a secret of two words, "quoted"'
WITHIN = 40.0
"""Seconds in which a delivery, a retry included, arrives on a machine that is busy."""


@dataclass
class Host:
    """The project in a folder and an environment of its own, with a database."""

    folder: Path
    environment: Environment
    variables: dict[str, str]

    def manage(self, *words: str, **more: str) -> str:
        return run(self.environment.python, "manage.py", *words, cwd=self.folder, env=self.variables | more)

    def surroundings(self, **more: str) -> Any:
        done = subprocess.run(
            [self.environment.python, "surroundings.py"], cwd=self.folder, env=self.variables | more,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def running(self, *command: Any) -> Iterator[Path]:
        """Run a process of the project; what it writes is in the file."""
        log = self.folder / f"{'-'.join(str(word).replace('/', '_') for word in command[-3:])}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [self.environment.python, *map(str, command)], cwd=self.folder, env=self.variables,
                stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                yield log
            finally:
                process.terminate()
                process.wait(40)


RANGES = {
    # the environment's name: what is installed beside the wheel
    "pinned": ["--constraint", ROOT / "constraints.txt"],
    "lowest": lowest(),
    "newest": ["--upgrade", "django"],
}


@pytest.fixture(scope="module", params=RANGES)
def host(
    request: pytest.FixtureRequest, wheel: Path, servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Host:
    place = tmp_path_factory.mktemp(f"host-{request.param}")
    shutil.copytree(Path(__file__).parent / "project", place / "project")
    environment = Environment(place / "venv")
    environment.install(f"{wheel}[admin]", *RANGES[request.param])
    database = run_sql(servers["DATABASE_URL"], f"host_{request.param}")
    variables = clean(**servers, PYTHONUNBUFFERED="1") | {"DATABASE_URL": database}
    made = Host(place / "project", environment, variables)
    made.manage("makemigrations", "people", "orders", BEFORE="1")
    made.manage("migrate", BEFORE="1")
    return made


@pytest.fixture(scope="module")
def installed(host: Host) -> tuple[Host, Any, Any]:
    """The host with webhooks and a merchant, and what it had before."""
    before = host.surroundings(BEFORE="1")
    host.manage("makemigrations", "orders")
    host.manage("migrate")
    made = host.manage("create_merchant", "Shop", "--email", "owner@shop.example", "--json")
    return host, before, json.loads(made.strip().split("\n")[-1])


def test_nothing_of_the_hosts_own_has_changed(installed: tuple[Host, Any, Any]) -> None:
    host, before, _made = installed
    after = host.surroundings()
    assert after.keys() == before.keys()
    for name, was in before.items():
        assert after[name] == was, name


def test_the_hosts_checks_find_nothing_and_no_migration_is_missing(installed: tuple[Host, Any, Any]) -> None:
    host, _before, _made = installed
    host.manage("check", "--fail-level", "WARNING")
    host.manage("makemigrations", "--check", "--dry-run")
    host.manage("migrate", "--check")


def ask(url: str, method: str = "GET", key: str = "", body: Any = None, form: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else urllib.parse.urlencode(form).encode() if form else None
    headers = {"Content-Type": "application/json"} if body is not None else {}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
        text = answer.read().decode()
    return json.loads(text) if text.startswith(("{", "[")) else text


def until(what: Any, seconds: float = WITHIN) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        ask(url)
        return True
    return False


def test_it_publishes_delivers_retries_and_reviews(installed: tuple[Host, Any, Any]) -> None:
    host, _before, made = installed
    tie = "from orders.models import Shop; from subscriptions.models import Merchant; "
    tie += "Shop.objects.create(name='Shop', merchant=Merchant.objects.get())"
    host.manage("shell", "-c", tie)
    port = free_port()
    front = f"http://127.0.0.1:{port}"
    api, key = f"{front}/webhooks/api/v1", made["api_key"]
    worker = ["-m", "celery", "-A", "shop", "worker", "-l", "INFO", "--without-gossip", "--without-mingle"]
    with (
        TestReceiver(dialect="litestore", secret=SECRET) as receiver,
        host.running("manage.py", "runserver", "--noreload", str(port)),
        host.running(*worker, "-P", "threads", "-c", "4", "-n", "ours@%h", "-Q", "deliveries,housekeeping") as ours,
        host.running(*worker, "-P", "solo", "-n", "theirs@%h", "-Q", "celery") as theirs,
    ):
        until(lambda: answers(f"{front}/dates/"))
        until(lambda: "worker_ready" in ours.read_text())
        hook = {"url": receiver.url, "events": ["order.*"], "dialect": "litestore", "secret": SECRET}
        policy = {"delays": [1]}
        ask(f"{api}/webhooks", "POST", key, {**hook, "retry_policy": policy})

        # A commit is delivered, a rollback sends nothing.
        ask(f"{front}/orders/", "POST", form={"shop": "Shop", "number": "never-7"})
        ask(f"{front}/orders/", "POST", form={"shop": "Shop", "number": "A-8"})
        until(lambda: receiver.requests)
        body = receiver.requests[0].json()
        assert (body["event"], body["data"]["order"]["number"]) == ("order.created", "A-8")
        assert len(receiver.requests) == 1

        # A failure is tried again; out of attempts, it waits in review and can be replayed.
        receiver.fail_next(1)
        ask(f"{front}/orders/", "POST", form={"shop": "Shop", "number": "A-9"})
        until(lambda: receiver.statuses == [200, 503, 200])
        receiver.fail_next(2)
        ask(f"{front}/orders/", "POST", form={"shop": "Shop", "number": "A-10"})
        [dead] = until(lambda: ask(f"{api}/dead-letters", key=key)["results"])
        ask(f"{api}/dead-letters/{dead['id']}/replay", "POST", key)
        until(lambda: receiver.statuses[-1] == 200)
        assert receiver.problems == []

        # The desk stands beside the host's admin and asks for memberships, not for staff.
        page = ask(f"{front}/webhooks/login/")
        assert "Merchant Webhooks" in page
        assert "Merchant Webhooks" not in ask(f"{front}/admin/login/")
        # A worker of the host's own runs nothing of ours, and our lines take the host's form.
        assert "worker_ready" not in theirs.read_text()
        assert "HOST deliveries.worker.lifecycle worker_ready" in ours.read_text()


DESK = """
from django.test import Client
from people.models import Person
person = Person.objects.get(email="owner@shop.example")
assert not person.is_staff, "a merchant's person must not become the host's staff"
client = Client()
client.force_login(person)
assert client.get("/admin/").status_code == 302
setup = [f"webhooks_subscriptions/{name}/" for name in ("webhook", "membership", "apikey", "invitation", "merchant")]
activity = [f"webhooks_deliveries/{name}/" for name in ("delivery", "event", "deadletter", "attempt", "notice")]
added = ["webhooks_subscriptions/webhook/add/", "webhooks_subscriptions/invitation/add/"]
from deliveries.models import Delivery, Event
from subscriptions.models import Webhook
opened = [
    f"{model._meta.app_label}/{model._meta.model_name}/{model.objects.latest('pk').pk}/change/"
    for model in (Delivery, Event, Webhook)
]
for name in ("", "password_change/", *setup, *activity, *added, *opened):
    answer = client.get(f"/webhooks/{name}")
    assert answer.status_code == 200, (name, answer.status_code)
    text = answer.content.decode()
    assert "desk/desk.css" in text, name
    assert 'href="/admin/' not in text, name
    assert answer.headers["Content-Security-Policy"]
stranger = Person.objects.create(email="stranger@host.example")
client.force_login(stranger)
assert client.get("/webhooks/").status_code == 302
print("the desk works")
"""


def test_the_desk_is_a_site_of_its_own(installed: tuple[Host, Any, Any]) -> None:
    host, _before, _made = installed
    assert "the desk works" in host.manage("shell", "-c", DESK)
