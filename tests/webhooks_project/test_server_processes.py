"""The web process as Procfile and demo start it: one or several, ended by SIGTERM, unmoved by slow clients."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT, Process, Web, environment, wait_for, web
from tests.support.web_server import Wire, get, post
from webhooks_project.embedded import free_port

LIVE = get("/health/live")
VARIABLES = {"WEB_HEAD_SECONDS": "30", "WEB_BODY_SECONDS": "30"}


@pytest.fixture(scope="module")
def one() -> Iterator[Web]:
    with web(environment(**VARIABLES)) as child:
        yield child


def asked(port: int, count: int) -> list[float]:
    """Return how long each of `count` requests took, in seconds, over kept connections."""
    times = []
    with Wire(port) as wire:
        for _ in range(count):
            began = time.perf_counter()
            assert b"200 OK" in wire.send(LIVE).until(b'{"status": "ok"}')
            times.append(time.perf_counter() - began)
    return times


def test_heads_and_bodies_that_never_end_do_not_slow_others(one: Web):
    asked(one.port, 200)
    alone = statistics.quantiles(asked(one.port, 1000), n=100)[98]
    heads = [Wire(one.port).send(b"GET /health/live HTTP/1.1\r\nX-Slow: ") for _ in range(300)]
    bodies = [Wire(one.port).send(post("/api/v1/events", b"x" * 2000)[:-1000]) for _ in range(100)]
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.1):
            for wire in (*heads, *bodies):
                wire.send(b"y")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        beside = statistics.quantiles(asked(one.port, 1000), n=100)[98]
    finally:
        stop.set()
        dripping.join()
        for wire in (*heads, *bodies):
            wire.socket.close()
    # The dripping itself costs a machine of two cores something; a thread a client would make it seconds.
    assert beside < max(5 * alone, 0.05), f"p99 {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside"


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_ends_it_within_seconds_with_its_open_request_answered(processes: int):
    with (
        web(environment(**VARIABLES), processes=processes) as child,
        Wire(child.port) as idle,
        Wire(child.port) as open_,
    ):
        assert b"200 OK" in idle.send(LIVE).until(b'{"status": "ok"}')
        open_.send(LIVE[:-2])
        time.sleep(0.3)
        began = time.monotonic()
        child.terminate()
        assert idle.rest() == b""
        assert time.monotonic() - began < 1
        time.sleep(0.3)
        assert b"200 OK" in open_.send(b"\r\n").rest()
        assert child.wait(10) == 0
        assert time.monotonic() - began < 4


@pytest.mark.parametrize("nth", range(4), ids=["web", "web too", "pages", "pages too"])
def test_a_process_that_dies_is_replaced(nth: int):
    with web(environment(), processes=2) as child:
        victim = sorted(each.pid for each in psutil.Process(child.pid).children())[nth]  # started in this order
        os.kill(victim, signal.SIGKILL)

        def replaced() -> bool:
            now = {each.pid for each in psutil.Process(child.pid).children()}
            return victim not in now and len(now) == 4

        wait_for(replaced, 20, "another process")
        assert child.answers()


def test_children_end_with_a_parent_that_is_killed():
    with web(environment(), processes=2) as child:
        children = psutil.Process(child.pid).children()
        assert len(children) == 4
        os.kill(child.pid, signal.SIGKILL)  # the parent alone
        gone, alive = psutil.wait_procs(children, timeout=10)
        assert (len(gone), alive) == (4, [])


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with Process("-m", "webhooks_project.server", "--port", str(port), variables=environment()) as child:
            assert child.wait() == 1
            assert f"127.0.0.1:{port}" in child.log


def test_wrong_settings_end_it_and_are_shown():

    command = ["-m", "webhooks_project.server", "--port", str(free_port()), "--processes", "2"]
    with Process(*command, variables=environment(WEB_THREADS="none")) as child:
        assert child.wait() == 1
        assert "WEB_THREADS='none'" in child.log


def test_web_processes_that_never_serve_end_it_however_slow_the_machine_is(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'webhooks_project.server' in sys.orig_argv:\n"
        "    import webhooks_project.server.processes as p\n"
        "    def broken(*_a, **_k): time.sleep(5); raise RuntimeError('broken on purpose')\n"
        "    p.serve = broken\n"
    )
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    with web({**environment(), "PYTHONPATH": path}, processes=2, pages=0, wait=False) as child:
        assert child.wait() == 1
