"""Requests sent before earlier ones are answered: all answered in order, and one at a time is all they cost."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, get, post, running
from webhooks_project.server import reading
from webhooks_project.server.connection import AHEAD_MAX, UNSENT_MAX, Connection
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.reading import HEAD_MAX, HEADERS_MAX, READ_MAX, TARGET_MAX
from webhooks_project.server.rounds import A_ROUND

SIZE = 300_000
"""Bytes of a flood."""
FLOODS = {
    "home": b"GET / HTTP/1.1\r\n\r\n",
    "nowhere": b"GET /x HTTP/1.1\r\n\r\n",
    "redirected": b"GET /api/redoc/ HTTP/1.1\r\n\r\n",
    "live": b"GET /health/live HTTP/1.1\r\n\r\n",
    "publish": b"POST /api/v1/events HTTP/1.1\r\nContent-Length:0\r\n\r\n",
    "bodies": b"POST /x HTTP/1.1\r\nContent-Length:2\r\n\r\n{}",
    "old": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "blank lines": b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "refused": b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
}


@pytest.fixture(scope="module")
def web() -> Iterator[Running]:
    with running() as server:
        server.on("POST", "/api/echo", lambda request: Answer(200, [], request.body))
        server.on("GET", "/path", lambda request: Answer(200, [], request.query.encode()))
        server.on("GET", "/never", lambda _request: None)
        yield server


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Return the requests that any reader has made."""
    made: list[Request] = []

    def make(**fields: Any) -> Request:
        made.append(Request(**fields))
        return made[-1]

    monkeypatch.setattr(reading, "Request", make)
    return made


def flood(wire: Wire, data: bytes, seconds: float = 1.0) -> int:
    """Send what the server takes; return how many bytes that were."""
    wire.socket.settimeout(seconds)
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[wire.socket.send(view) :]
    wire.socket.settimeout(10)
    return len(data) - len(view)


def of(wire: Wire, web: Running) -> Connection:
    """Return the server's end of a client's connection."""
    name, found = wire.socket.getsockname(), []
    for _ in range(500):
        if found := [
            each for each in list(web.server._connections) if each.transport.get_extra_info("peername") == name
        ]:
            break
        time.sleep(0.01)
    return found[0]


def bodies(answers: bytes) -> list[bytes]:
    """Return the bodies of answers that follow each other."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length, head
        found.append(rest[: int(length[1])])
        answers = rest[int(length[1]) :]
    return found


# --- what a client can make the server keep -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", FLOODS)
def test_behind_a_request_nothing_is_parsed_and_little_is_kept(kind: str, web: Running, parsed: list[Request]) -> None:
    request = FLOODS[kind]
    with Wire(web.port) as wire:
        flood(wire, get("/never") + request * (10_000_000 // len(request)))
        assert [each.path for each in parsed] == ["/never"]
        assert 0 < len(of(wire, web)._ahead) <= AHEAD_MAX + READ_MAX


@pytest.mark.parametrize("kind", [name for name in FLOODS if name != "refused"])  # which is one's first and last
def test_many_who_read_nothing_share_each_round_of_the_loop(kind: str, web: Running, parsed: list[Request]) -> None:
    """Counted on the loop itself: what is parsed between two of its rounds, with a request a connection at most."""
    clients, most, counting = 20, [0], [True]

    def look(before: int) -> None:
        most[0] = max(most[0], len(parsed) - before)
        if counting[0]:
            web.loop.call_soon(look, len(parsed))

    web.loop.call_soon_threadsafe(look, 0)
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(clients):
                wire = stack.enter_context(Wire(web.port, receive_buffer=4096))
                flood(wire, FLOODS[kind] * (SIZE // len(FLOODS[kind])), 0.05)
                held = [len(each._ahead) for each in list(web.server._connections)]
                assert max(held, default=0) <= AHEAD_MAX + READ_MAX
            time.sleep(0.3)
    finally:
        counting[0] = False
    assert 0 < most[0] <= A_ROUND + clients
    assert most[0] < len(parsed)


def test_answers_that_nobody_reads_stop_the_reading_and_come_once_they_are_read(web: Running) -> None:
    size, count = 20_000, 1_000
    web.on("GET", "/large", lambda request: Answer(200, [], request.query.encode().ljust(size)))
    asked = [f"/large?{number}" for number in range(count)]
    with Wire(web.port, receive_buffer=4096) as wire:
        wire.send(b"".join(map(get, asked[:-1])) + get(asked[-1], "Connection: close"))
        for _ in range(20):
            time.sleep(0.02)
            one = of(wire, web)
            assert one.transport.get_write_buffer_size() <= UNSENT_MAX + size + 1_000
            assert len(one._ahead) <= AHEAD_MAX + READ_MAX
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        assert [body.strip() for body in bodies(wire.rest())] == [b"%d" % number for number in range(count)]


@pytest.mark.parametrize(
    "line", [b"a%d: b\r\n", b"a: b\r\n", b"a_%d: b\r\n", b"cookie: a\r\n", b"a%d:\r\n"], ids=lambda line: line.decode()
)
def test_of_a_head_with_too_many_headers_no_more_are_kept(line: bytes, web: Running) -> None:
    with Wire(web.port) as wire:
        lines = b"".join(line % number if b"%d" in line else line for number in range(HEAD_MAX // len(line)))
        wire.send(b"GET / HTTP/1.1\r\n" + lines[: HEAD_MAX - 1_000].rpartition(b"\r\n")[0])
        reader = of(wire, web)._reader
        wait_for(lambda: reader._fed > HEAD_MAX - 2_000, 5, "the head")
        kept = reader._headers
        assert len(kept) <= HEADERS_MAX
        assert sum(len(name) + len(value) for name, value in kept.items()) <= HEADERS_MAX * (len(line) + 5)
        assert wire.send(b"\r\n\r\n").rest().startswith(b"HTTP/1.1 431 ")


def test_of_a_target_that_is_too_long_no_more_is_kept(web: Running) -> None:
    with Wire(web.port) as wire:
        wire.send(b"GET /" + b"x" * (HEAD_MAX - 1_000))
        reader = of(wire, web)._reader
        wait_for(lambda: reader._fed > HEAD_MAX - 2_000, 5, "the head")
        assert len(reader._target) <= TARGET_MAX + READ_MAX
        assert wire.send(b" HTTP/1.1\r\n\r\n").rest().startswith(b"HTTP/1.1 414 ")


# --- in order, whole, and to the end ------------------------------------------------------------------------------


def a_pipeline(count: int, seed: int) -> tuple[bytes, list[bytes]]:
    """Return requests one after the other, with blank lines between some, and the bodies of their answers."""
    chance = random.Random(seed)
    sent, expected = b"", []
    for number in range(count):
        if chance.random() < 0.5:
            body = chance.choice([b"", b"\r\n\r\n", get("/never"), b"x" * chance.randrange(1, 40_000)])
            sent += post("/api/echo", body)
            expected.append(body)
        else:
            sent += get(f"/path?{number}")
            expected.append(b"%d" % number)
        sent += b"\r\n" * chance.randrange(3)
    return sent + get("/path?last", "Connection: close"), [*expected, b"last"]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 64, 1_000, 16_384, 65_536, 10_000_000])
def test_a_pipeline_is_answered_in_order_wherever_it_is_cut(step: int, web: Running) -> None:
    sent, expected = a_pipeline(6 if step < 64 else 60, step)
    with Wire(web.port) as wire:
        for start in range(0, len(sent), step):
            wire.send(sent[start : start + step])
        assert bodies(wire.rest()) == expected


@pytest.mark.parametrize("seed", range(5))
def test_many_small_requests_in_one_read_are_all_answered(seed: int, web: Running) -> None:
    queries = [f"{seed}-{number}" for number in range(1_000)]
    with Wire(web.port) as wire:
        wire.send(b"".join(b"GET /path?%b HTTP/1.1\r\n\r\n" % query.encode() for query in queries))
        wire.socket.shutdown(1)  # who sends no more still gets all answers
        assert bodies(wire.rest()) == [query.encode() for query in queries]


def test_what_broke_off_behind_a_pipeline_is_nobodys(web: Running) -> None:
    for rest in (b"GET /path?3 HT", post("/api/echo", b"body")[:-1], b"\r\n"):
        with Wire(web.port) as wire:
            wire.send(get("/path?1") + get("/path?2") + rest).socket.shutdown(1)
            assert bodies(wire.rest()) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: x\n\n", b"400"),
        (get("/" + "a" * 20_000), b"414"),
        (get("/", *(f"X-{number}: y" for number in range(101))), b"431"),
        (post("/health/live", b"").replace(b"Length: 0", b"Length: 9000000"), b"413"),
    ],
    ids=["nonsense", "length", "lines", "target", "headers", "body"],
)
def test_a_refusal_amid_a_pipeline_comes_in_its_place_and_is_the_last(bad: bytes, status: bytes, web: Running) -> None:
    web.on("GET", "/slow", lambda request: web.later(0.1, request, Answer(200, [], b"slow")))
    with Wire(web.port) as wire:
        flood(wire, get("/slow") + get("/path?2") + bad + get("/path?3") * 5_000)
        answers = wire.rest()
    before, mark, refusal = answers.partition(b"HTTP/1.1 " + status)
    assert mark, answers[-500:]
    assert bodies(before) == [b"slow", b"2"]
    assert b"Connection: close" in refusal
    assert len(bodies(mark + refusal)) == 1


@pytest.mark.parametrize("step", [1, 100, 1_000_000])
@pytest.mark.parametrize(
    ("last", "body"),
    [
        (get("/path?last", "Connection: close"), b"last"),
        (get("/path?last", version="1.0"), b"last"),
        (get("/path?last", "Connection: Upgrade", "Upgrade: h2c"), b"last"),
        (post("/api/echo", b"last", "Connection: Upgrade", "Upgrade: h2c"), b"last"),
        (post("/api/echo", b"", "Connection: Upgrade", "Upgrade: h2c"), b""),
    ],
    ids=["close", "1.0", "upgrade", "upgrade with a body", "upgrade with an empty body"],
)
def test_behind_the_last_request_nothing_is_answered_and_its_answer_arrives(
    last: bytes, body: bytes, step: int, web: Running
) -> None:
    sent = get("/path?1") + last + get("/path?3") * (1 if step == 1 else 5_000)
    with Wire(web.port) as wire:
        with contextlib.suppress(OSError):
            for start in range(0, len(sent), step):
                wire.send(sent[start : start + step])
        assert bodies(wire.rest()) == [b"1", body]


def test_a_blank_line_behind_a_request_begins_no_head() -> None:
    """As some clients send it after a body (RFC 9112, section 2.2)."""
    with running(head=0.3, idle=1.5) as web, Wire(web.port) as wire:
        web.on("GET", "/path", lambda request: Answer(200, [], b"here"))
        assert wire.send(get("/path") + b"\r\n").until(b"here")
        wire.send(b"\r\n")
        time.sleep(0.8)
        assert wire.send(get("/path")).until(b"here").startswith(b"HTTP/1.1 200 ")
        assert wire.rest() == b""  # and idle as before


def test_those_who_leave_amid_their_pipeline_are_noticed(web: Running) -> None:
    with Wire(web.port) as wire:
        wire.send(get("/never") + get("/path?1"))
        one = of(wire, web)
        wait_for(lambda: bool(one._ahead), 5, "what waits")
        wire.send(get("/path?2")).socket.shutdown(1)
        wait_for(lambda: one._has_ended, 5, "the end")
