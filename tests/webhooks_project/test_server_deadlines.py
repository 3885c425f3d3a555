"""The web process' server: clients that are slow, answers in pieces, and the end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.web_server import Running, Wire, error, exchange, get, post, running
from webhooks_project.server.messages import Answer, Request

LIVE = get("/health/live")


@pytest.fixture(scope="module")
def web() -> Iterator[Running]:
    with running(head=0.5, body=0.5, idle=1.0, write=0.6) as server:
        server.on("POST", "/api/echo", lambda request: Answer(200, [], request.body))
        server.on("GET", "/path", lambda request: Answer(200, [], request.path.encode()))
        yield server


# --- deadlines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [b"GET / HTTP/1.1\r\n", post("/api/echo", b"body")[:-1]])
def test_a_request_that_does_not_end_is_told_so(web: Running, part: bytes):
    began = time.monotonic()
    answer = exchange(web, part)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert error(answer)["code"] == "timeout"
    assert 0.4 < time.monotonic() - began < 3


def test_dripping_does_not_stretch_a_deadline(web: Running):
    began = time.monotonic()
    with Wire(web.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                wire.send(b"X: y\r\n")
                time.sleep(0.05)
    assert time.monotonic() - began < 8


def test_idle_connections_end_without_a_word(web: Running):
    assert exchange(web, b"") == b""
    assert exchange(web, get("/path")).endswith(b"/path")


def test_who_does_not_take_the_answer_is_let_go(web: Running):
    web.on("GET", "/large", lambda request: Answer(200, [], b"x" * 20_000_000))
    with Wire(web.port, receive_buffer=4096) as wire:
        wire.send(get("/large"))
        time.sleep(2)
        assert len(wire.rest()) < 20_000_000


def test_who_takes_the_answer_slowly_gets_all_of_it(web: Running):
    size = 10_000_000
    web.on("GET", "/large", lambda request: Answer(200, [], b"x" * size))
    began = time.monotonic()
    with Wire(web.port, receive_buffer=200_000) as wire:
        wire.send(get("/large", "Connection: close"))
        got = len(wire.until(b"\r\n\r\n").partition(b"\r\n\r\n")[2])
        while part := wire.read():
            got += len(part)
            time.sleep(0.02)
    assert got == size
    assert time.monotonic() - began > 2 * web.server.limits.write


def test_one_connection_too_many_is_closed():
    with running(connections_max=2) as web, Wire(web.port) as first, Wire(web.port), Wire(web.port) as third:
        assert third.rest() == b""
        assert b"200 OK" in first.send(LIVE).read()


# --- streams ------------------------------------------------------------------------------------------------------


class Pieces:
    """A streamed body that counts what was asked of it."""

    def __init__(self, *pieces: bytes, then: Exception | None = None) -> None:
        self.left, self.then = list(pieces), then
        self.asked = 0
        self.closed = threading.Event()

    def more(self) -> bytes:
        self.asked += 1
        if self.left:
            return self.left.pop(0)
        if self.then:
            raise self.then
        return b""

    def answer(self, *headers: tuple[str, str]) -> Answer:
        return Answer(200, list(headers), more=self.more, close=self.closed.set)


def test_a_stream_comes_in_chunks_and_is_closed(web: Running):
    pieces = Pieces(b"one", b"two")
    web.on("GET", "/stream", lambda request: pieces.answer())
    with Wire(web.port) as wire:
        assert wire.send(get("/stream")).until(b"0\r\n\r\n").endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        assert b"200 OK" in wire.send(LIVE).read()  # and the connection goes on
    assert pieces.closed.wait(5)


def test_an_old_client_gets_a_stream_to_its_end(web: Running):
    web.on("GET", "/stream", lambda request: Pieces(b"one", b"two").answer())
    assert exchange(web, get("/stream", version="1.0")).endswith(b"\r\n\r\nonetwo")


def test_no_more_of_a_stream_is_made_than_the_client_takes(web: Running):
    pieces = Pieces(*[b"x" * 65536] * 1000)
    web.on("GET", "/stream", lambda request: pieces.answer())
    with Wire(web.port, receive_buffer=4096) as wire:
        wire.send(get("/stream"))
        time.sleep(0.4)
        assert pieces.asked < 200  # what the kernel and one buffer hold, of 1,000
    assert pieces.closed.wait(5)
    assert pieces.asked < 250


def test_slow_readers_of_streams_hold_no_thread(web: Running):
    def endless(request: Request) -> Answer:
        return Pieces(*[b"x" * 65536] * 1000).answer()

    web.on("GET", "/stream", endless)
    wires = [Wire(web.port, receive_buffer=4096).send(get("/stream")) for _ in range(20)]
    time.sleep(0.4)
    try:
        began = time.monotonic()
        assert b"HTTP/1.1 401" in exchange(web, get("/api/v1/nowhere", "Connection: close"))
        assert time.monotonic() - began < 2
    finally:
        for wire in wires:
            wire.socket.close()


@pytest.mark.parametrize(
    "pieces", [Pieces(b"one", then=ValueError("broken")), Pieces(b"one"), Pieces(b"one", b"two", b"three")]
)
def test_a_stream_that_breaks_off_does_not_look_whole(web: Running, pieces: Pieces):
    headers = [] if pieces.then else [("Content-Length", "7")]
    web.on("GET", "/stream", lambda request: pieces.answer(*headers))
    answer = exchange(web, get("/stream"))
    assert not answer.endswith(b"0\r\n\r\n")
    assert len(answer.partition(b"\r\n\r\n")[2]) != 7
    assert pieces.closed.wait(5)


# --- the end ------------------------------------------------------------------------------------------------------


def test_stopping_answers_what_is_open_and_closes_what_is_idle():
    with running() as web:
        web.on("GET", "/slow", lambda request: web.later(0.7, request, Answer(200, [], b"slow")))
        with Wire(web.port) as idle, Wire(web.port) as busy, Wire(web.port) as sending:
            assert b"200 OK" in idle.send(LIVE).until(b"}")
            busy.send(get("/slow"))
            sending.send(LIVE[:-2])
            time.sleep(0.2)
            stopping = threading.Thread(target=web.stop)
            began = time.monotonic()
            stopping.start()
            assert idle.rest() == b""
            assert time.monotonic() - began < 0.4
            assert b"200 OK" in sending.send(b"\r\n").rest()
            answer = busy.rest()
            assert b"Connection: close" in answer
            assert answer.endswith(b"slow")
            stopping.join()
            assert time.monotonic() - began < 2


def test_stopping_does_not_wait_for_requests_that_do_not_end():
    with running() as web, Wire(web.port) as head, Wire(web.port) as body, Wire(web.port):
        head.send(b"GET / HTTP/1.1\r\n")
        body.send(post("/api/v1/events", b"body")[:-1])
        time.sleep(0.1)
        assert web.stop() < 5
        assert body.rest().startswith(b"HTTP/1.1 408 ")


def test_stopping_ends_after_the_grace_period_all_the_same():
    with running() as web, Wire(web.port) as wire:
        web.on("GET", "/never", lambda request: None)
        wire.send(get("/never"))
        time.sleep(0.1)
        assert 0.4 < web.stop(grace=0.5) < 3
        assert wire.rest() == b""
