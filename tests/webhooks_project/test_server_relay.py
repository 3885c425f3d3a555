"""Pages in processes of their own: what they take is taken from pages, and their death ends one answer at most."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import Web, environment, wait_for, web
from tests.support.web_server import Wire, get, running
from webhooks_project.server.relayed import frame

PAGE = "/admin/login/"
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
WHOLE = BEGUN + b"0\r\n\r\n"


def page_processes(child: Web) -> list[psutil.Process]:
    return [each for each in psutil.Process(child.pid).children() if each.nice() > psutil.Process(child.pid).nice()]


@pytest.fixture
def child() -> Iterator[Web]:
    with web(environment(), processes=2) as started:
        yield started


def test_while_pages_stand_still_publishing_and_health_go_on(child: Web):
    assert child.request("GET", PAGE).status == 200
    pages = page_processes(child)
    assert len(pages) == 2
    for each in pages:
        each.suspend()
    try:
        with Wire(child.port, timeout=1.0) as waiting:
            waiting.send(get(PAGE))
            for _ in range(20):
                began = time.monotonic()
                assert child.request("GET", "/health/live", timeout=2).status == 200
                assert time.monotonic() - began < 1
            with pytest.raises(TimeoutError):
                waiting.read()
    finally:
        for each in pages:
            each.resume()
    assert child.request("GET", PAGE).status == 200


def test_the_next_page_is_made_although_the_page_processes_died(child: Web):
    assert child.request("GET", PAGE).status == 200
    for each in page_processes(child):
        os.kill(each.pid, signal.SIGKILL)
    assert child.request("GET", PAGE, timeout=20).status == 200
    wait_for(lambda: len(page_processes(child)) == 2, 20, "two more")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (b"", b"HTTP/1.1 500 "),
        (b"\0", b"HTTP/1.1 500 "),
        (frame(BEGUN), BEGUN),  # and not the chunk that would say that this was all
        (frame(BEGUN) + b"\0\0\1\0cut", BEGUN + b"cut"),
        (frame(WHOLE) + frame(b""), WHOLE),
    ],
    ids=["nothing", "part of a length", "a frame", "part of a frame", "all"],
)
def test_an_answer_that_breaks_off_never_looks_whole(made: bytes, told: bytes, tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "pages"))
        listener.listen()

        def make() -> None:
            asked, _ = listener.accept()
            with asked:
                asked.recv(65536)
                asked.sendall(made)

        maker = threading.Thread(target=make)
        maker.start()
        with running(relayed=str(tmp_path / "pages")) as server, Wire(server.port) as wire:
            answer = wire.send(get("/page", "Connection: close")).rest()
        maker.join()
    assert answer.startswith(told) if told.startswith(b"HTTP/1.1 500") else answer == told


def test_without_page_processes_a_page_is_told_to_come_again(tmp_path: Path):
    with running(relayed=str(tmp_path / "none")) as server, Wire(server.port) as wire:
        answer = wire.send(get("/page", "Connection: close")).rest()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in answer
