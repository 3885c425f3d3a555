"""An upgrade without a stop: the last release's processes on the new schema, then each replaced, under load."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import processes, releases
from tests.support.processes import OURS, Checkout, Process, Web, wait_for
from tests.support.proxies import Proxy
from tests.support.receiver import TestReceiver
from webhooks_project.embedded import EmbeddedValkey
from webhooks_project.embedded.postgres import EmbeddedPostgres

pytestmark = pytest.mark.faults

RATE = 60
"""Events a second that are published meanwhile."""
WEBHOOKS = 3
BETWEEN = 3.0
"""Seconds between two steps of the upgrade."""


class Load:
    """Publishes by the REST API without a pause, each event once and never again.

    Attributes:
        answers: How often each status came, or error.
        accepted: Ids of the events that were accepted.
        longest: The longest that a request took, in seconds.
    """

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.accepted: set[str] = set()
        self.longest = 0.0
        self._threads = [threading.Thread(target=self._publish) for _ in range(4)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _publish(self) -> None:
        while not self._over.wait(len(self._threads) / RATE):
            name = f"e{next(self._numbers)}"
            connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
            began = time.monotonic()
            try:
                body = json.dumps({"event": "order.created", "data": {"n": name}, "id": name})
                headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
                connection.request("POST", "/api/v1/events", body, headers)
                answer = connection.getresponse()
                answer.read()
                self._note(str(answer.status), name, time.monotonic() - began)
            except (OSError, HTTPException) as error:
                self._note(repr(error), name, 0.0)
            finally:
                connection.close()

    def _note(self, answer: str, name: str, seconds: float) -> None:
        with self._lock:
            self.answers[answer] += 1
            self.longest = max(self.longest, seconds)
            if answer == "201":
                self.accepted.add(name)


class Ground:
    """Servers, and the product's processes of one state of the code or another on them."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self.postgres = ends.enter_context(EmbeddedPostgres(fsync=True))
        self.valkey = ends.enter_context(EmbeddedValkey())

    def variables(self, checkout: Checkout) -> dict[str, str]:
        many = {"WEBHOOKS_PUBLISH_RATE_HOUR": "0", "WEBHOOKS_API_RATE_HOUR": "0", "WEBHOOKS_API_RATE_MINUTE": "0"}
        servers = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}
        return processes.environment(**servers, **many, PYTHONPATH=str(checkout.folder))

    def manage(self, checkout: Checkout, *words: str) -> str:
        """Run a command to its end and return what it says."""
        command, variables = [checkout.python, "manage.py", *words], self.variables(checkout)
        ran = subprocess.run(command, cwd=checkout.folder, env=variables, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def web(self, checkout: Checkout) -> Web:
        made = Web(self.variables(checkout), processes=2, checkout=checkout)
        self._ends.enter_context(made)
        made.wait_until(made.answers)
        return made

    def worker(self, checkout: Checkout) -> Process:
        return self._ends.enter_context(processes.worker(self.variables(checkout), checkout=checkout))

    def beat(self, checkout: Checkout) -> Process:
        return self._ends.enter_context(processes.beat(self.variables(checkout), checkout=checkout))

    def query(self, statement: str) -> list[Any]:
        with psycopg.connect(self.postgres.url, autocommit=True) as session:
            return session.execute(statement).fetchall()


@pytest.fixture
def ground() -> Iterator[Ground]:
    with ExitStack() as ends:
        yield Ground(ends)


def _webhooks(web: Web, key: str, receiver: TestReceiver) -> None:
    for number in range(WEBHOOKS):
        body = {"url": f"{receiver.url}/{number}", "events": ["*"]}
        answer = web.request("POST", "/api/v1/webhooks", body, {"Authorization": f"Bearer {key}"})
        assert answer.status == 201, answer.content


def _replaced(start: Callable[[], Process], old: Process) -> Process:
    """Start another, then tell the old one to end and wait for that."""
    new = start()
    old.terminate()
    assert old.wait(40) == 0, old.tail()
    return new


@pytest.mark.parametrize("form", ["whole", "in parts"])
def test_an_upgrade_amid_traffic_refuses_loses_and_doubles_nothing(ground: Ground, tmp_path: Path, form: str) -> None:
    """Also where attempts come to be in parts amid it, while the last release's processes go on."""
    (old, note), new = releases.last_release(tmp_path), OURS
    print(f"from {note}")
    ground.manage(old, "migrate", "--verbosity", "0")
    merchant = json.loads(ground.manage(old, "create_merchant", "Shop", "--email", "o@shop.example", "--json"))
    with TestReceiver(delay=0.05) as receiver:
        web = ground.web(old)
        workers = [ground.worker(old), ground.worker(old)]
        beat = ground.beat(old)
        _webhooks(web, merchant["api_key"], receiver)
        # A proxy in front, as everybody has one: told to send new connections to another web process.
        with Proxy(web.port) as door, Load(door.port, merchant["api_key"]) as load:
            time.sleep(BETWEEN)
            ground.manage(new, "migrate", "--verbosity", "0")
            time.sleep(BETWEEN)  # the last release, on the new schema
            if form == "in parts":
                print(ground.manage(new, "partition_attempts"))
                time.sleep(BETWEEN)
            second = ground.web(new)
            door.lead_to(second.port, cut=False)
            time.sleep(BETWEEN / 2)  # the proxy keeps no connection to the first any more
            web.terminate()
            assert web.wait(40) == 0, web.tail()
            workers = [_replaced(lambda: ground.worker(new), worker) for worker in workers]
            beat.terminate()
            assert beat.wait(40) == 0, beat.tail()
            beat = ground.beat(new)
            time.sleep(BETWEEN)
            second.signal(signal.SIGHUP)  # from now on no proxy needs to be told
            second.wait_until(lambda: "web_reloaded" in second.log)
            time.sleep(BETWEEN)
        print(f"{load.answers}, the longest {load.longest:.2f} s")
        assert set(load.answers) == {"201"}, load.answers
        total = len(load.accepted) * WEBHOOKS
        delivered = "SELECT count(*) FROM webhooks_deliveries_delivery WHERE status = 'delivered'"
        wait_for(lambda: ground.query(delivered) == [(total,)], 40, f"{total} deliveries")
    came = Counter((each.path, each.message_id) for each in receiver.requests)
    assert {name for _path, name in came} == load.accepted
    assert len(came) == total
    assert {key: times for key, times in came.items() if times > 1} == {}
    assert ground.query("SELECT count(*) FROM webhooks_deliveries_attempt WHERE result = 'interrupted'") == [(0,)]
    for child in (web, second, *workers, beat):
        assert "Traceback" not in child.log, child.tail()
