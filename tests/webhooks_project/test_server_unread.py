"""Whoever reads nothing, or hardly anything, of answers costs others nothing; and nobody has all places at pages."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.admin import exports
from subscriptions import services
from tests.support.desk import sign_in
from tests.support.factories import make_member
from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, error, exchange, get, running
from webhooks_project.server import connection, relay, unsent
from webhooks_project.server.clients import Clients
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.pages import Pages

pytestmark = pytest.mark.django_db(transaction=True)
PIECE = b"x" * 65536
SECONDS = 2.0
"""What a small page may take on a busy machine."""


def stream(pieces: int = 10_000) -> Answer:
    left = itertools.chain(itertools.repeat(PIECE, pieces), itertools.repeat(b""))
    return Answer(200, [], more=lambda: next(left))


@pytest.fixture
def over() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch, over: threading.Event) -> None:
    """Make pages: one that is long, one that is slow, and any other, which is neither; credentials of 0 are wrong."""

    def respond(_self: Pages, request: Request) -> Answer:
        shown = re.search(r"Bearer (\d)", request.headers.get("authorization", "")) or re.search(
            r"sessionid=(\d)", request.headers.get("cookie", "")
        )
        request.owner = f"merchant {shown[1]}" if shown and shown[1] != "0" else ""
        if request.path.endswith("/slow"):
            over.wait(20)
        return stream() if request.path.endswith("/long") else Answer(200, [], b"page")

    monkeypatch.setattr(Pages, "respond", respond)


def assert_served(web: Running, *headers: str) -> None:
    began = time.monotonic()
    assert exchange(web, get("/api/page", "Connection: close", *headers)).endswith(b"page")
    assert time.monotonic() - began < SECONDS


@pytest.mark.usefixtures("pages")
def test_answers_that_nobody_reads_leave_their_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "OPEN_MAX", 4)
    with running(relayed=True, write=60) as web, contextlib.ExitStack() as stack:
        for number in range(8):
            wire = stack.enter_context(Wire(web.port, receive_buffer=4096))
            assert wire.send(get("/api/long", f"Authorization: Bearer {number}")).read(16)
        assert_served(web)


@pytest.mark.usefixtures("pages")
def test_begun_answers_have_an_end_too_and_their_clients_leaving_frees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BEGUN_MAX", 3)
    with running(relayed=True, write=60) as web, Wire(web.port, timeout=1.0) as next_one:
        wires = [Wire(web.port, receive_buffer=4096) for _ in range(3)]
        for number, wire in enumerate(wires):
            assert wire.send(get("/api/long", f"Authorization: Bearer {number}")).read(16)
        next_one.send(get("/page"))
        with pytest.raises(TimeoutError):
            next_one.read()
        for wire in wires:
            wire.socket.close()
        next_one.socket.settimeout(10)
        assert next_one.read().endswith(b"page")


CLIENTS = [  # the pages of this module find that whoever shows number n is owner n
    (["Cookie: a=b; sessionid=1"], ["Cookie: a=b; sessionid=2"]),
    (["Cookie: sessionid=1; a=b"], []),
    (["Cookie: sessionid=0"], ["Cookie: sessionid=1"]),
    (["Authorization: Bearer 0"], ["Authorization: Bearer 1"]),
    (["Authorization: Bearer 1"], ["Authorization: Bearer 2"]),
    (["Authorization: Bearer 1", "Cookie: sessionid=1"], ["Cookie: sessionid=2"]),
    (["Cookie: portal_sessionid=1"], ["Cookie: portal_sessionid=2"]),
    (["Cookie: sessionid=1; portal_sessionid=1"], ["Cookie: sessionid=2; portal_sessionid=1"]),
    (["X-Forwarded-For: 192.0.2.1"], ["X-Forwarded-For: 192.0.2.2"]),
    (["X-Forwarded-For: 192.0.2.1", "Cookie: a=b"], ["X-Forwarded-For: 192.0.2.2", "Cookie: a=b"]),
    (["X-Forwarded-For: 192.0.2.9, 192.0.2.1"], ["X-Forwarded-For: 192.0.2.9, 192.0.2.2"]),
]


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize(("busy", "other"), CLIENTS)
def test_one_client_has_so_many_requests_at_pages_others_of_it_wait_and_more_are_refused(
    busy: list[str], other: list[str], over: threading.Event, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBHOOKS_TRUSTED_PROXIES = 1
    monkeypatch.setattr(relay, "OF_CLIENT_MAX", 2)
    monkeypatch.setattr(relay, "WAITING_OF_CLIENT_MAX", 3)
    with running(relayed=True) as web, contextlib.ExitStack() as stack:
        for headers in (busy, other):
            assert_served(web, *headers)
        wires = [stack.enter_context(Wire(web.port)) for _ in range(5)]
        for wire in wires:
            wire.send(get("/api/slow", *busy, "Connection: close"))
        time.sleep(0.3)
        refused = exchange(web, get("/api/page", *busy, "Connection: close"))
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 1" in refused
        assert error(refused)["code"] == "too_many_requests"
        assert_served(web, *other)
        over.set()
        assert all(wire.rest().endswith(b"page") for wire in wires)
        assert_served(web, *busy)


UNREAD = [
    ("/admin/x", ["Authorization: Bearer {n}", "Cookie: sessionid=1"]),
    ("/admin/x", ["Authorization: Bearer {n}"]),
    ("/api/x", ["Authorization: Bearer 1", "Cookie: sessionid={n}"]),
    ("/x", ["X-Forwarded-For: 192.0.2.{n}, 192.0.2.1"]),
    ("/admin/x", ["Cookie: sessionid={n}"]),
    ("/admin/x", ["Cookie: portal_sessionid={n}"]),
    ("/api/x", ["Authorization: Bearer ak_live_{n}"]),
]


@pytest.mark.parametrize(("path", "headers"), UNREAD)
def test_what_anybody_can_make_up_makes_nobody_another_client(path: str, headers: list[str], settings: Any) -> None:
    settings.WEBHOOKS_TRUSTED_PROXIES = 1
    made = set()
    for n in range(2):
        fields = dict(line.format(n=n).lower().split(": ") for line in headers)
        made.add(Clients().of(Request("GET", path, "", fields, "1.1", "127.0.0.1", asker=None, began=0.0)))  # type: ignore[arg-type]
    assert len(made) == 1


@pytest.mark.usefixtures("pages")
def test_those_who_left_while_they_waited_leave_their_places(
    over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "OF_CLIENT_MAX", 1)
    monkeypatch.setattr(relay, "WAITING_OF_CLIENT_MAX", 2)
    with running(relayed=True) as web, Wire(web.port) as first:
        first.send(get("/slow", "Connection: close"))
        for _ in range(5):
            left = [Wire(web.port).send(get("/page")) for _ in range(2)]
            time.sleep(0.1)
            for wire in left:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                wire.socket.close()
            time.sleep(0.1)
        with Wire(web.port) as last:
            last.send(get("/page", "Connection: close"))
            time.sleep(0.1)
            over.set()
            assert last.rest().endswith(b"page")
        assert first.rest().endswith(b"page")


# --- how fast an answer must be taken ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("is_whole", [False, True], ids=["stream", "whole"])
@pytest.mark.parametrize("relayed", [False, True], ids=["web", "page process"])
def test_who_takes_next_to_nothing_is_let_go(relayed: bool, is_whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_whole:
        monkeypatch.setattr(Pages, "respond", lambda *_: Answer(200, [], PIECE * 200))
    with running(relayed=relayed, write=0.5) as web, Wire(web.port, receive_buffer=4096) as wire:
        wire.send(get("/long"))
        assert wire.read(16)
        until = time.monotonic() + 5
        while web.server._connections:  # what the kernel has of the answer comes yet
            assert time.monotonic() < until
            wire.read(512)
            time.sleep(0.1)


@pytest.mark.parametrize("is_whole", [False, True], ids=["stream", "whole"])
@pytest.mark.parametrize("relayed", [False, True], ids=["web", "page process"])
def test_who_takes_the_least_that_counts_gets_all(
    relayed: bool, is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page process waits longer for its web process than a client may take: that takes nothing until half is gone."""
    pieces, seconds = 100, 0.6
    monkeypatch.setattr(Pages, "respond", lambda *_: Answer(200, [], PIECE * pieces) if is_whole else stream(pieces))
    got, began = 0, time.monotonic()
    with running(relayed=relayed, write=seconds) as web, Wire(web.port, receive_buffer=65536) as wire:
        wire.send(get("/long", "Connection: close", version="1.0"))
        while part := wire.read(16384):
            got += len(part)
            late = got / connection.TAKEN_MIN * seconds / 4 - (time.monotonic() - began)
            if late > 0 and got < 3_000_000:
                time.sleep(late)
    assert got > pieces * len(PIECE)


# --- the budget -------------------------------------------------------------------------------------------------------


def _queued(web: Running) -> int:
    return sum(each.transport.get_write_buffer_size() for each in list(web.server._connections))


def test_once_too_much_waits_a_fourth_of_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that not every later write finds too much again, and looks at all clients."""
    monkeypatch.setattr(unsent, "ALL_MAX", 20_000_000)
    with running(write=60) as web, contextlib.ExitStack() as stack:
        web.on("GET", "/long", lambda _request: Answer(200, [], b"x" * 6_000_000))
        seen = most = 0
        for number in range(1, 13):
            wire = stack.enter_context(Wire(web.port, receive_buffer=4096))
            assert wire.send(get("/long")).read(16)
            time.sleep(0.1)
            most = len(web.server._connections)
            if most < number:
                break
            seen = _queued(web)
        assert seen > 15_000_000 - 6_000_000
        assert most < number
        wait_for(lambda: _queued(web) <= 15_000_000, 5, "the ends")


def test_who_goes_on_reading_is_not_let_go_before_those_who_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsent, "ALL_MAX", 5_000_000)
    with running(write=60) as web, Wire(web.port, receive_buffer=4096) as reader, Wire(web.port) as idle:
        web.on("GET", "/long", lambda _request: stream())
        web.on("GET", "/whole", lambda _request: Answer(200, [], b"x" * 8_000_000))
        reader.send(get("/long")).read(16)
        time.sleep(0.3)
        with Wire(web.port, receive_buffer=4096) as unread:
            unread.send(get("/long")).read(16)
            time.sleep(0.3)
            for _ in range(3000):  # some megabytes
                reader.read(4096)
            time.sleep(0.3)
            waiting = sorted(web.server._connections, key=lambda each: each.waits_since or 0.0)
            assert len(waiting) == 3
            assert waiting[-1].transport.get_extra_info("peername") == reader.socket.getsockname()
        assert idle.send(get("/health/live", "Connection: close")).rest()


# --- the pages that stream --------------------------------------------------------------------------------------------


def test_exports_that_nobody_reads_shut_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    record = ("x" * 100, *[None] * (len(exports.COLUMNS) - 1))
    monkeypatch.setattr(exports, "_records", lambda *_: itertools.repeat(record, 1_000_000))
    monkeypatch.setattr(relay, "OPEN_MAX", 16)
    hostile, other = (
        services.create_merchant(name=name, email=f"{name}@shop.example", domain="x.example") for name in "ab"
    )
    session = sign_in(make_member(hostile.merchant, role="viewer")).cookies["sessionid"].value
    path = "/admin/webhooks_deliveries/delivery/export/csv/?all=true"
    with running(relayed=True) as web, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(web.port, receive_buffer=4096)) for _ in range(40)]
        for wire in wires:
            wire.send(get(path, f"Cookie: sessionid={session}"))
        told = [wire.read(12)[-3:] for wire in wires]
        assert (told.count(b"200"), told.count(b"429")) == (2, 38)
        began = time.monotonic()
        key = f"Authorization: Bearer {other.api_key}"
        assert b" 200 OK" in exchange(web, get("/api/v1/webhooks", key, "Connection: close"))
        assert b" 200 OK" in exchange(web, get("/admin/login/", "Connection: close"))
        assert time.monotonic() - began < SECONDS
        for wire in wires:
            wire.socket.close()
        again = get(path, f"Cookie: sessionid={session}")
        wait_for(lambda: _begins(web, again).startswith(b"HTTP/1.1 200"), 5, "free places")


def _begins(web: Running, asked: bytes) -> bytes:
    with Wire(web.port) as wire:
        return wire.send(asked).read(16)
