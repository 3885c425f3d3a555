"""A worker whose consumer hangs is noticed; one that waits for its broker, or is busy, is left alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection

from deliveries.queueing import broker
from deliveries.worker import health_files, periodic_tasks, vitals
from deliveries.worker.vitals import Vitals
from tests.support.processes import environment, wait_for, worker
from webhooks_project import worker_health

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """Monotonic time as a test has it: it goes on when told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(vitals, "time", made)
    return made


LATE = vitals.ROUND_LATE + 1


def consuming(**given: Any) -> Vitals:
    made = Vitals()
    made.queues, made.has_room = frozenset({"housekeeping"}), lambda: given.get("room", True)
    made.come_round()
    return made


def test_a_loop_that_comes_round_is_well_and_one_that_does_not_hangs(clock: Clock) -> None:
    made = consuming()
    assert made.complaint() == ""
    clock.pass_(LATE)
    assert "its consumer hangs" in made.complaint()
    made.come_round()
    assert made.complaint() == ""


def test_who_waits_for_the_broker_is_well_for_as_long_as_that_takes(clock: Clock) -> None:
    made = consuming()
    with made.waiting_for_broker():
        clock.pass_(LATE)
        assert made.complaint() == ""
    assert made.complaint() == ""
    clock.pass_(LATE)  # connected, and then it hangs before anything is consumed
    assert "its consumer hangs" in made.complaint()


def test_a_consumer_that_is_not_ours_is_never_complained_of(clock: Clock) -> None:
    made = Vitals()
    clock.pass_(LATE)
    assert made.complaint() == ""


@pytest.mark.parametrize(
    ("messages", "room", "takes", "is_ill"),
    [(1, True, False, True), (0, True, False, False), (1, False, False, False), (1, True, True, False)],
)
def test_messages_that_wait_for_a_process_with_places_that_takes_none(
    clock: Clock, messages: int, room: bool, takes: bool, is_ill: bool
) -> None:
    for _ in range(messages):
        broker.enqueue(periodic_tasks.purge, [])
    made = consuming(room=room)
    for _ in range(4):
        made.look()
        clock.pass_(vitals.UNTAKEN_FOR / 3)
        made.come_round()
        if takes:
            made.note_taken()
    assert bool(made.complaint()) == is_ill, made.complaint()


def test_other_queues_messages_are_others_affair(clock: Clock) -> None:
    broker.enqueue(periodic_tasks.purge, [])
    made = consuming()
    made.queues = frozenset({"deliveries"})
    made.look()
    clock.pass_(vitals.UNTAKEN_FOR + 1)
    made.come_round()
    assert made.complaint() == ""


# --- health files -------------------------------------------------------------------------------------------------


def test_files_tell_of_each_process_of_this_host_and_of_none_that_is_gone(tmp_path: Path) -> None:
    assert health_files.complaints(tmp_path) is None
    health_files.write(tmp_path, "")
    assert health_files.complaints(tmp_path) == []
    health_files.write(tmp_path, "it hangs")
    assert health_files.complaints(tmp_path) == [f"worker {os.getpid()}: it hangs"]
    gone = subprocess.Popen(["true"])
    gone.wait()
    name = f"worker-{socket.gethostname()}-{gone.pid}.health"
    (tmp_path / name).write_text(json.dumps({"pid": gone.pid, "complaint": "dead"}))
    (tmp_path / "worker-elsewhere-1.health").write_text(json.dumps({"pid": 1, "complaint": "elsewhere"}))
    (tmp_path / f"worker-{socket.gethostname()}-1.health").write_text("{")  # half written by another version
    assert health_files.complaints(tmp_path) == [f"worker {os.getpid()}: it hangs"]
    health_files.remove(tmp_path)
    assert not (tmp_path / name).exists()
    assert health_files.complaints(tmp_path) is None


OTHERS = ["web-1", "web-2-3", "web.example", "we", "webs", "web-"]
ODD = ["worker-web-.health", "worker-web-x.health", "worker-web-1e3.tmp", "worker-web-²³.health", "worker-web.health"]
ODD += [f"worker-web-{'9' * 40}.health", "worker-web-0.health", "worker-web--1.health", "worker-web-12.other"]


@pytest.mark.parametrize(
    "name", [f"worker-{host}-999999999.{end}" for host in OTHERS for end in ("health", "tmp")] + ODD
)
def test_a_file_that_is_not_this_hosts_is_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "web")
    (tmp_path / name).write_text(json.dumps({"pid": os.getpid(), "complaint": "another's"}))
    assert health_files.complaints(tmp_path) is None
    health_files.remove(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", "7", '"x"', '{"pid": 1}'])
def test_a_file_of_another_form_complains_of_nothing(text: str, tmp_path: Path) -> None:
    health_files.path_of(tmp_path).write_text(text)
    assert health_files.complaints(tmp_path) is None


def test_what_this_hosts_dead_processes_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "web-1[a]")
    for end in ("health", "tmp"):
        (tmp_path / f"worker-web-1[a]-999999999.{end}").write_text("{")
        (tmp_path / f"worker-web-1[a]-{os.getppid()}.{end}").write_text("{")
    health_files.write(tmp_path, "")
    health_files.remove(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {f"worker-web-1[a]-{os.getppid()}"}


def test_the_watcher_goes_on_after_a_look_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TELL_EVERY", "LOOK_EVERY"):
        monkeypatch.setattr(vitals, name, 0.01)
    looks: list[int] = []
    made = Vitals()
    monkeypatch.setattr(made, "look", lambda: looks.append(1) or 1 // 0)
    made.start(tmp_path)
    wait_for(lambda: len(looks) > 2 and health_files.complaints(tmp_path) == [], 20, "looks")
    made.stop()


def test_a_file_that_nobody_writes_any_more_tells_that_its_process_has_stopped(tmp_path: Path) -> None:
    health_files.write(tmp_path, "")
    old = time.time() - health_files.STALE_AFTER - 1
    os.utime(health_files.path_of(tmp_path), (old, old))
    assert health_files.complaints(tmp_path) == [f"worker {os.getpid()} has said nothing for 31 s"]


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    Vitals().tell(tmp_path / "nowhere")


# --- a real worker ------------------------------------------------------------------------------------------------


def check(folder: Path) -> tuple[int, str]:
    variables = environment(WEBHOOKS_STATE_DIR=str(folder))
    command = [sys.executable, "-m", "webhooks_project.worker_health"]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert not ended.stderr
    return ended.returncode, ended.stdout


def variables(folder: Path) -> dict[str, str]:
    given = connection.settings_dict
    url = f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
    redis_url = project.MERCHANT_WEBHOOKS["REDIS_URL"]
    return environment(DATABASE_URL=url, REDIS_URL=redis_url, WEBHOOKS_STATE_DIR=str(folder), DEBUG="true")


def test_the_health_check_looks_where_the_env_file_has_workers_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    health_files.write(state, "")
    (tmp_path / ".env").write_text(f"WEBHOOKS_STATE_DIR={state}\n")
    monkeypatch.setattr(worker_health, "home", lambda: tmp_path)
    monkeypatch.setenv("WEBHOOKS_STATE_DIR", str(tmp_path))
    assert worker_health.main() == 1  # the environment beats it
    monkeypatch.delenv("WEBHOOKS_STATE_DIR")
    assert worker_health.main() == 0


def test_the_health_check_of_a_worker_that_runs_hangs_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(tmp_path)[0] == 1
    hangs = (
        "import sys, time, runpy, django; django.setup()\n"
        "from deliveries.worker import vitals; vitals.ROUND_LATE = 3.0\n"
        "from celery.signals import worker_ready\n"
        "@worker_ready.connect(weak=False)\n"
        "def later(sender, **_):\n"
        "    sender.timer.call_after(4.0, time.sleep, (1000,))\n"  # on the loop's own thread, as a call to the broker
        "sys.argv = ['celery', *sys.argv[1:]]; runpy.run_module('celery', run_name='__main__')\n"
    )
    (tmp_path / "hanging.py").write_text(hangs)
    given = variables(tmp_path) | {"DJANGO_SETTINGS_MODULE": "webhooks_project.settings"}
    given["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    from tests.support.processes import Process

    options = ["-A", "webhooks_project", "worker", "-P", "threads", "-c", "2", "-Q", "housekeeping", "-n", "hangs@%h"]
    with Process("-m", "hanging", *options, "--without-gossip", "--without-mingle", variables=given) as child:
        child.wait_until(lambda: "worker_ready" in child.log)
        wait_for(lambda: check(tmp_path)[0] == 0, 20, "health", pause=0.3)
        wait_for(lambda: check(tmp_path)[0] == 1, 30, "the complaint", pause=0.3)
        assert f"worker {child.pid}: its consumer hangs" in check(tmp_path)[1]
        assert "worker_takes_no_tasks" in child.log
        child.kill()
    assert check(tmp_path)[0] == 1


def test_a_worker_that_stands_still_is_noticed_and_one_that_ends_leaves_no_file(tmp_path: Path) -> None:
    with worker(variables(tmp_path)) as child:
        wait_for(lambda: check(tmp_path) == (0, ""), 20, "health", pause=0.3)
        child.signal(signal.SIGSTOP)
        [path] = tmp_path.glob("worker-*.health")
        old = time.time() - health_files.STALE_AFTER - 1
        os.utime(path, (old, old))  # as after that time
        assert (check(tmp_path)[0], "has said nothing" in check(tmp_path)[1]) == (1, True)
        child.signal(signal.SIGCONT)
        wait_for(lambda: check(tmp_path) == (0, ""), 20, "health", pause=0.3)
    assert not list(tmp_path.glob("worker-*"))
