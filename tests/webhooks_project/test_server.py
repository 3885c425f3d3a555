"""The web process' server: HTTP/1.1, answers in order, and limits before reading."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from django.test import Client

from tests.support.web_server import Running, Wire, error, exchange, get, post, running
from webhooks_project.server.messages import Answer

LIVE = get("/health/live")


@pytest.fixture(scope="module")
def web() -> Iterator[Running]:
    with running(head=0.5, body=0.5, idle=1.0, write=0.6) as server:
        server.on("POST", "/api/echo", lambda request: Answer(200, [("X-Path", request.path)], request.body))
        server.on("GET", "/path", lambda request: Answer(200, [], f"{request.path}?{request.query}".encode()))
        server.on("HEAD", "/path", lambda request: Answer(200, [("Content-Length", "42")], b"a body"))
        server.on("GET", "/nothing", lambda request: Answer(204, []))
        yield server


# --- answers ------------------------------------------------------------------------------------------------------


def test_a_page_is_djangos_with_its_headers(web: Running):
    answer = exchange(web, get("/health/live", "X-Request-ID: one", "Connection: close"))
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    plain = Client().get("/health/live", headers={"Host": "localhost", "X-Request-ID": "one"})
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == plain.content
    assert lines.pop("Date").endswith(" GMT")
    assert lines.pop("Connection") == "close"
    assert lines == {**dict(plain.items()), "Content-Length": str(len(plain.content))}


def test_a_connection_takes_one_request_after_the_other(web: Running):
    with Wire(web.port) as wire:
        for _ in range(3):
            assert b'{"status": "ok"}' in wire.send(LIVE).until(b"}")


def test_pipelined_requests_are_answered_in_order(web: Running):
    paths = [f"/path?{number}" for number in range(50)]
    with Wire(web.port) as wire:
        wire.send(b"".join(map(get, paths)) + LIVE + get("/path?last", "Connection: close"))
        bodies = [part.rpartition(b"\r\n\r\n")[2] for part in wire.rest().split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [*(path.encode() for path in paths), b'{"status": "ok"}', b"/path?last"]


def test_head_has_the_length_but_no_body(web: Running):
    answer = exchange(web, b"HEAD /path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 42\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_an_answer_without_content_has_no_length(web: Running):
    assert b"content-length" not in exchange(web, get("/nothing", "Connection: close")).lower()


def test_a_body_that_comes_in_drips_is_handed_on_whole(web: Running):
    request = post("/api/echo", b"0123456789", "Connection: close")
    with Wire(web.port) as wire:
        for index in range(len(request)):
            wire.send(request[index : index + 1])
        assert wire.rest().endswith(b"\r\n\r\n0123456789")


def test_who_asks_first_is_told_to_send_the_body(web: Running):
    request = post("/api/echo", b"body", "Expect: 100-continue", "Connection: close")
    with Wire(web.port) as wire:
        assert wire.send(request[:-4]).read() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert wire.send(b"body").rest().endswith(b"\r\n\r\nbody")


def test_http_1_0_gets_its_answer_and_the_end(web: Running):
    assert b"/path?" in exchange(web, get("/path", version="1.0"))


def test_a_wish_to_upgrade_is_passed_over(web: Running):
    upgrade = ("Connection: Upgrade", "Upgrade: h2c")
    assert exchange(web, post("/api/echo", b"body", *upgrade)).endswith(b"\r\n\r\nbody")
    assert b"200 OK" in exchange(web, get("/path", *upgrade))


def test_the_absolute_form_names_a_path_too(web: Running):
    assert exchange(web, get("http://other.example/path?x", "Connection: close")).endswith(b"/path?x")


def test_headers_with_underscores_can_not_pass_for_others(web: Running):
    seen: list[dict[str, str]] = []
    web.on("GET", "/headers", lambda request: seen.append(request.headers) or Answer(204, []))  # type: ignore[func-returns-value]
    sent = ["X_Forwarded_For: 6.6.6.6", "Accept: a", "Accept: b", "X-Request-ID: one", "Connection: close"]
    exchange(web, get("/headers", *sent))
    assert seen == [{"host": "localhost", "accept": "a,b", "x-request-id": "one", "connection": "close"}]


def test_a_client_that_ended_its_side_gets_its_answer(web: Running):
    with Wire(web.port) as wire:
        wire.send(LIVE).socket.shutdown(1)
        assert b'{"status": "ok"}' in wire.rest()


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_body_over_the_routes_limit_is_refused_before_it_is_sent(web: Running):
    with Wire(web.port) as wire:
        head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388609\r\nExpect: 100-continue\r\n\r\n"
        answer = wire.send(head % b"/api/v1/events").rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert error(answer)["code"] == "too_large"
    assert exchange(web, post("/health/live", b"x" * 65537)).startswith(b"HTTP/1.1 413 ")


def test_a_refusal_reaches_a_client_that_goes_on_sending(web: Running):
    with Wire(web.port) as wire:
        wire.send(b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(20):
            wire.send(b"x" * 10_000)
            time.sleep(0.01)
        assert wire.rest().startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_is_answered_without_being_read(web: Running):
    answer = exchange(
        web, post("/admin/login/", b"", "X: y").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    )
    assert answer.startswith(b"HTTP/1.1 403 ")  # Django's, of forms without a token
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nName : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_what_is_no_plain_http_is_refused(web: Running, data: bytes):
    answer = exchange(web, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert error(answer)["code"] == "bad_request"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/" + "a" * 20_000), b"414"),
        (get("/", *(f"X-{number}: y" for number in range(101))), b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 400_000, b"431"),
    ],
)
def test_heads_have_limits(web: Running, data: bytes, status: bytes):
    assert exchange(web, data).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (get("/" + "a" * 20_000, "X-Request-ID: mine-1"), b"414", b"mine-1"),
        (
            post("/health/live", b"", "X-Request-ID: mine-2").replace(b"Length: 0", b"Length: 9000000"),
            b"413",
            b"mine-2",
        ),
        (post("/health/live", b"", "X-Request-ID: a b").replace(b"Length: 0", b"Length: 9000000"), b"413", None),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 400_000, b"431", None),
        (b"what?\r\n\r\n", b"400", None),
    ],
)
def test_refusals_have_a_request_id_too(web: Running, data: bytes, status: bytes, told: bytes | None):
    answer = exchange(web, data)
    assert answer.startswith(b"HTTP/1.1 " + status)
    [found] = [line[14:] for line in answer.split(b"\r\n") if line.startswith(b"X-Request-ID: ")]
    assert found == told if told else re.fullmatch(rb"[0-9a-f]{12}-[0-9a-f]+", found)


def test_large_bodies_are_refused_while_others_fill_the_memory():
    with running(bodies=1_000_000, body=5.0) as web:
        web.on("POST", "/api/echo", lambda request: Answer(200, [], str(len(request.body)).encode()))
        large = post("/api/echo", b"x" * 900_000, "Authorization: Bearer x", "Connection: close")
        with Wire(web.port) as first, Wire(web.port) as second, Wire(web.port) as small:
            first.send(large[:-1])
            time.sleep(0.2)
            assert b"HTTP/1.1 503 " in second.send(large[:300_000]).rest()
            assert small.send(post("/api/echo", b"y" * 1000, "Connection: close")).rest().endswith(b"\r\n\r\n1000")
            assert first.send(b"x").rest().endswith(b"\r\n\r\n900000")
        deadline = time.monotonic() + 5
        while web.server.held and time.monotonic() < deadline:
            time.sleep(0.02)
        assert web.server.held == 0
