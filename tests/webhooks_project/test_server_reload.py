"""SIGHUP: new processes take over from the old ones, of whatever code and settings are there now; nobody is refused."""

from __future__ import annotations

import http.client
import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT, Process, Web, environment, wait_for, web
from tests.support.web_server import Wire, get
from webhooks_project.embedded import free_port
from webhooks_project.server.processes import PAGES_NICE

LIVE = get("/health/live")


class Clients:
    """Clients that ask without a pause, on new connections and on kept ones, until they are told to stop."""

    def __init__(self, port: int, *, fresh: int = 3, kept: int = 3) -> None:
        self._port = port
        self._over = threading.Event()
        self.answers: Counter[str] = Counter()
        self._threads = [
            *(threading.Thread(target=self._ask, args=[False]) for _ in range(fresh)),
            *(threading.Thread(target=self._ask, args=[True]) for _ in range(kept)),
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _ask(self, keeps: bool) -> None:
        connection = None
        while not self._over.wait(0.002):
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("GET", "/health/live", headers={"Host": "localhost"})
                answer = connection.getresponse()
                answer.read()
                self.answers[str(answer.status)] += 1
                if not keeps or answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.answers[repr(error)] += 1
                connection = None
        if connection is not None:
            connection.close()


def children(parent: Web) -> set[int]:
    return {each.pid for each in psutil.Process(parent.pid).children()}


def reload(parent: Web) -> None:
    """Tell it to reload, and wait until the new processes serve and the old ones have gone."""
    before = children(parent)
    told = parent.log.count("web_reloaded")
    parent.signal(signal.SIGHUP)
    parent.wait_until(lambda: parent.log.count("web_reloaded") > told)
    wait_for(lambda: not before & children(parent), 30, "the old processes' end")


def test_reloads_amid_requests_refuse_and_break_none():
    with tempfile.TemporaryDirectory() as folder, web(environment(TMPDIR=folder), pages=1) as parent:
        pid, before, held = parent.pid, children(parent), os.listdir(folder)
        with Clients(parent.port) as clients:
            for _ in range(2):
                reload(parent)
        assert set(clients.answers) == {"200"}, clients.answers
        assert clients.answers["200"] > 20
        assert parent.pid == pid
        assert parent.runs
        now = children(parent)
        assert len(now) == 2
        assert not now & before
        assert len(os.listdir(folder)) == len(held), "the former socket's folder is removed"
        descriptors = psutil.Process(pid).num_fds()
        reload(parent)
        assert psutil.Process(pid).num_fds() == descriptors
        parent.terminate()
        assert parent.wait(10) == 0


def test_a_request_under_way_is_answered_by_who_has_begun_it():
    with web(environment(WEB_HEAD_SECONDS="30"), pages=1) as parent, Wire(parent.port) as slow:
        slow.send(LIVE[:-2])
        time.sleep(0.3)
        parent.signal(signal.SIGHUP)
        parent.wait_until(lambda: "web_reloaded" in parent.log)
        assert b"200 OK" in slow.send(b"\r\n").rest()


def test_it_is_reloaded_with_what_the_settings_say_now(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("first")
    with web(environment(METRICS_TOKEN_FILE=str(token)), pages=1) as parent:

        def status(word: str) -> int:
            return parent.request("GET", "/metrics", headers={"Authorization": f"Bearer {word}"}).status

        assert (status("first"), status("second")) == (200, 401)
        token.write_text("second")
        reload(parent)
        assert (status("first"), status("second")) == (401, 200)


def test_settings_that_do_not_load_are_told_and_change_nothing(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("first")
    with web(environment(METRICS_TOKEN_FILE=str(token)), pages=1) as parent:
        before = children(parent)
        token.unlink()
        parent.signal(signal.SIGHUP)
        parent.wait_until(lambda: "reload_failed" in parent.log)
        assert "METRICS_TOKEN_FILE" in parent.log
        assert children(parent) == before
        assert parent.answers()
        token.write_text("second")
        reload(parent)
        assert parent.answers()


def test_processes_that_do_not_start_leave_the_former_ones_at_work(tmp_path: Path):
    """A fault that loading alone doesn't show."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if os.path.exists({str(tmp_path / 'broken')!r}) and '--handover' in sys.orig_argv:\n"
        "    import webhooks_project.server.processes as p\n"
        "    def broken(*_a, **_k): raise RuntimeError('broken on purpose')\n"
        "    p.serve = broken\n"
    )
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    with Web({**environment(), "PYTHONPATH": path}, pages=1) as parent:
        parent.wait_until(parent.answers)
        before = children(parent)
        (tmp_path / "broken").touch()
        with Clients(parent.port) as clients:
            parent.signal(signal.SIGHUP)
            parent.wait_until(lambda: "reload_failed" in parent.log)
            wait_for(lambda: children(parent) == before, 30, "the end of those that did not start")
        assert set(clients.answers) == {"200"}, clients.answers
        (tmp_path / "broken").unlink()
        reload(parent)
        parent.terminate()
        assert parent.wait(10) == 0


def test_told_to_stop_while_it_reloads_it_stops():
    with web(environment(), pages=1) as parent:
        parent.signal(signal.SIGHUP)
        parent.wait_until(lambda: "web_reloading" in parent.log)
        time.sleep(0.3)
        parent.terminate()
        assert parent.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            parent.request("GET", "/health/live", timeout=1)


def test_told_to_stop_just_after_its_only_web_process_died_it_stops():
    """The page processes wait for the end of a web process, and there was none left to end."""
    with web(environment(), pages=1) as parent:

        def web_processes() -> list[psutil.Process]:
            itself = psutil.Process(parent.pid)
            return [each for each in itself.children() if each.nice() < itself.nice() + PAGES_NICE]

        wait_for(lambda: len(web_processes()) == 1, 30, "page processes that stand back")
        web_processes()[0].kill()
        parent.wait_until(lambda: "web_process_died" in parent.log)
        parent.terminate()
        assert parent.wait(10) == 0


@pytest.mark.parametrize("pages", [0, 1])
def test_it_ends_with_its_terminal(pages: int):
    port = free_port()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        options = ["--port", str(port), "--processes", "1", "--pages", str(pages)]
        os.execve(sys.executable, [sys.executable, "-m", "webhooks_project.server", *options], environment())
    try:
        wait_for(lambda: answers(port), 60, "an answer")
        os.close(terminal)
        wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 20, "its end")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    assert not answers(port)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/live", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_one_web_process_alone_says_that_it_cannot():
    with web(environment()) as child:
        child.signal(signal.SIGHUP)
        child.wait_until(lambda: "reload_refused" in child.log)
        assert child.answers()


def passed_on(listener: socket.socket) -> list[str]:
    """Return the command of a web process that finds this socket where systemd would put it."""
    command = [sys.executable, "-m", "webhooks_project.server", "--port", "1", "--pages", "1"]
    begin = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3);"
        "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())};"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    return [sys.executable, "-c", begin, str(listener.fileno()), *command]


@pytest.mark.parametrize(
    ("family", "kind"),
    [(socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_INET, socket.SOCK_DGRAM)],
)
def test_a_socket_of_systemd_that_is_no_tcp_port_is_refused(
    family: socket.AddressFamily, kind: socket.SocketKind, tmp_path: Path
):
    with socket.socket(family, kind) as listener:
        listener.bind(str(tmp_path / "web") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        ended = subprocess.run(
            passed_on(listener),
            env=environment(),
            cwd=ROOT,
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == 1
    assert "ListenStream is no TCP port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_serves_the_socket_that_systemd_holds():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listener:
        given = passed_on(listener)
        child = subprocess.Popen(given, env=environment(), cwd=ROOT, pass_fds=[listener.fileno()])
        try:
            with Wire(port, timeout=60) as early:  # before it listens, and nobody refuses
                assert b"200 OK" in early.send(LIVE).until(b'{"status": "ok"}')
            child.terminate()
            assert child.wait(20) == 0
            waiting = Wire(port)  # between two of them the socket stays
            waiting.socket.close()
        finally:
            child.kill()
            child.wait()


def test_check_tells_whether_the_settings_load():
    for threads, code in (("4", 0), ("none", 1)):
        with Process("-m", "webhooks_project.server", "--check", variables=environment(WEB_THREADS=threads)) as child:
            assert child.wait() == code
