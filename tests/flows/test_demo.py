"""`manage.py demo`, run as people run it: alone in a folder of its own, and nothing is left when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

PATIENCE = 90
UNSET = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "WEBHOOKS_ENCRYPTION_KEYS", "DEBUG")


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of somebody who has set nothing but where the database stands."""
    ours = {"WEBHOOKS_STATE_DIR": str(folder), "COLUMNS": "200"}
    return {**os.environ, **dict.fromkeys(UNSET, ""), "ALLOWED_HOSTS": "", **ours, **more}


class Demo:
    """The command as a process, its lines as they come, its descendants while it lives."""

    def __init__(self, environment: dict[str, str], *words: str) -> None:
        self.environment = environment
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.lines.append(line.rstrip())
                    self._news.notify_all()

    def value(self, pattern: str) -> str:
        """Wait for a line that matches, and return the pattern's group."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while not (found := [match for line in self.lines if (match := re.search(pattern, line))]):
                left = deadline - time.monotonic()
                assert left > 0, "\n".join(self.lines)
                self._news.wait(left)
        return found[0][1]

    def manage(self, *words: str) -> dict:
        """Run another command in the same surroundings and return the JSON it prints."""
        command = [sys.executable, "manage.py", *words, "--json"]
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        return code

    def descendants(self) -> set[int]:
        """Return the process ids of all children, grandchildren and so on."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    parents[int(entry.name)] = int(re.search(r"PPid:\s+(\d+)", (entry / "status").read_text())[1])
                except OSError:
                    continue
        found, fresh = set(), {self.process.pid}
        while fresh:
            fresh = {child for child, parent in parents.items() if parent in fresh}
            found |= fresh
        return found


@pytest.fixture
def start(tmp_path):
    demos = []

    def begin(*words: str, **more: str) -> Demo:
        demos.append(Demo(surroundings(tmp_path, **more), *words))
        return demos[-1]

    yield begin
    for demo in demos:
        demo.process.kill()
        demo.process.wait()
        demo._reader.join()


def left_after(pids: set[int], seconds: float = 20) -> set[int]:
    """Return which of the processes still live when they have had `seconds` to end."""
    deadline = time.monotonic() + seconds
    while (alive := {pid for pid in pids if is_running(pid)}) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_demo_stays_up_for_people_and_leaves_nothing_when_it_is_ended(start, tmp_path):
    demo = start()
    merchant = demo.value(r"Merchant\s+(mch_\w+)")
    web = demo.value(r"Admin\s+(http://127\.0\.0\.1:\d+)/admin/")
    demo.value(r"Login\s+(\S+@\S+)")
    demo.value(r"API key\s+(ak_live_\w+)")
    demo.value(r"End\s+(Ctrl-C)")
    with urlopen(f"{web}/admin/login/", timeout=20) as page:
        assert page.status == 200

    second = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        env=demo.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "A demo runs here already" in second.stderr

    processes = demo.descendants()
    assert len(processes) >= 7, "web with its process, worker, beat and Valkey, each under a guard"
    assert demo.end(signal.SIGINT) == 0
    assert demo.lines[-1] == "Ended; nothing is left running."
    assert left_after(processes) == set()
    assert merchant in "\n".join(demo.lines)
    assert {path.name for path in (tmp_path / "demo").glob("*.log")} == {
        "web.log", "worker.log", "beat.log", "listen.log",
    }  # fmt: skip


def test_with_redis_named_it_uses_that_and_other_commands_find_everything_in_order(start):
    demo = start(REDIS_URL=os.environ["REDIS_URL"], REDIS_PREFIX="demo-test")
    merchant = demo.value(r"Merchant\s+(mch_\w+)")
    assert not [pid for pid in demo.descendants() if "valkey" in Path(f"/proc/{pid}/cmdline").read_text()]

    health = demo.manage("doctor")
    assert health["ok"], health
    assert {"worker", "celery"} <= {check["name"] for check in health["checks"]}
    published = demo.manage("publish", "order.created", "--merchant", merchant)
    assert published["deliveries"] == 4, "alva's webhook, and the three that listen to everything"
    assert demo.end(signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.faults
def test_killed_the_demo_leaves_no_process_behind(start):
    demo = start("--once")
    demo.value(r"consumer are (up)")
    processes = demo.descendants()
    assert len(processes) >= 7
    demo.process.kill()
    assert left_after(processes) == set()


@pytest.mark.slow
def test_once_it_checks_every_expectation_and_does_so_again_on_the_same_database(start):
    for _ in range(2):
        demo = start("--once")
        demo.value(r"(All expectations held)")
        assert demo.process.wait(30) == 0
        assert not [line for line in demo.lines if line.startswith("FAILED")]
