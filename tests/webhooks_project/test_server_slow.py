"""Slow clients hold nothing, and what nobody has asked for isn't read: on every route, from real sockets."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator

import pytest

from tests.support.web_server import Running, Wire, error, exchange, get, post, running
from webhooks_project.server import unsent
from webhooks_project.server.messages import Answer
from webhooks_project.server.pages import Pages
from webhooks_project.server.serving import Server

pytestmark = pytest.mark.django_db(transaction=True)

ROUTES = ("/", "/admin/", "/admin/login/", "/admin/webhooks_deliveries/delivery/", "/api/v1/events", "/api/v1/token",
          "/api/v1/webhooks", "/api/docs/", "/company/webhooks", "/health/live", "/metrics", "/static/x", "/download",
          "/nowhere")  # fmt: skip
FORM = "Content-Type: multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def web() -> Iterator[Running]:
    with running() as server:
        yield server


def announced(path: str, size: int, *headers: str) -> bytes:
    """Return the head of a POST whose body doesn't come."""
    return post(path, b"", *headers).replace(b"Content-Length: 0", b"Content-Length: %d" % size)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("size", [70_000, 60_000_000])
def test_a_large_body_of_whoever_names_no_credentials_is_not_read(web: Running, path: str, size: int) -> None:
    with Wire(web.port) as wire:
        answer = wire.send(announced(path, size, FORM)).rest()  # not a byte of the body has been sent
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert error(answer)["code"] == "too_large"
    assert web.server.held == 0


@pytest.mark.parametrize("path", ROUTES)
def test_sixty_megabytes_are_too_much_for_anybody(web: Running, path: str) -> None:
    for header in ("Cookie: sessionid=x", "Authorization: Bearer ak_x"):
        with Wire(web.port) as wire:
            answer = wire.send(announced(path, 60_000_000, FORM, header)).rest()
        assert answer.startswith(b"HTTP/1.1 413 ")


def test_credentials_open_the_api_and_a_cookie_opens_forms(web: Running) -> None:
    for path, size, header in (
        ("/api/v1/events/batch", 8_000_000, "Authorization: Bearer ak_x"),
        ("/admin/x", 1_000_000, "Cookie: sessionid=x"),
    ):
        with Wire(web.port) as wire:
            wire.send(announced(path, size, header, "Expect: 100-continue"))
            assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")


def test_five_hundred_slow_clients_hold_up_nobody(web: Running) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(500):
            wire = stack.enter_context(Wire(web.port))
            path = ROUTES[number % len(ROUTES)]
            wire.send(announced(path, 5_000, "Authorization: Bearer ak_x") + b"x" * 100)
            if number % 2:
                continue
            wire.send(b"x" * 100)
        times = [_seconds(web, path) for path in ("/health/live", "/api/v1/webhooks", "/admin/login/") * 20]
    assert max(times) < 1.5
    assert statistics.median(times) < 0.25


def _seconds(web: Running, path: str) -> float:
    began = time.monotonic()
    with Wire(web.port) as wire:
        answer = wire.send(get(path, "Connection: close")).rest()
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 401 "))
    return time.monotonic() - began


def _queued(server: Server) -> int:
    return sum(each.transport.get_write_buffer_size() for each in list(server._connections))


@pytest.mark.parametrize("relayed", [False, True], ids=["whole", "relayed"])
def test_answers_that_nobody_takes_stay_within_what_a_process_may_hold(
    relayed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is within its own bounds, and takes a little of its answer now and then."""
    most, size = 20_000_000, 8_000_000  # of each the kernel takes some megabytes
    monkeypatch.setattr(unsent, "ALL_MAX", most)
    with running(relayed=relayed, write=60) as web, contextlib.ExitStack() as stack:
        if relayed:
            monkeypatch.setattr(Pages, "respond", lambda *_: Answer(200, [], b"x" * size))
        else:
            web.on("GET", "/large", lambda _request: Answer(200, [], b"x" * size))
        wires = []
        for _ in range(12):
            wires.append(stack.enter_context(Wire(web.port, receive_buffer=4096)))
            wires[-1].send(get("/large"))
            assert wires[-1].read(16)
            for server in (web.server, web.pages):  # two processes, elsewhere than in tests
                assert _queued(server) <= most + size  # the last one, before it is looked at
        assert exchange(web, get("/large", "Connection: close")).endswith(b"x" * size)
        assert len(web.pages._connections) < len(wires), "those who have waited longest are cut off"


def test_a_client_that_takes_its_answer_is_not_cut_off_for_those_who_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsent, "ALL_MAX", 3_000_000)
    size = 2_500_000
    with running(write=60) as web, contextlib.ExitStack() as stack:
        web.on("GET", "/large", lambda _request: Answer(200, [], b"x" * size))
        for _ in range(20):
            stack.enter_context(Wire(web.port, receive_buffer=4096)).send(get("/large"))
            assert exchange(web, get("/large", "Connection: close")).endswith(b"x" * size)
