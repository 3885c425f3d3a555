"""Statements that nobody waits for end: those of clients who left, and those that take too long for a page."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test.utils import override_settings
from django.urls import path

from deliveries.db import sessions
from tests.support.processes import wait_for
from tests.support.web_server import Running, Wire, get, post, running
from webhooks_project.postgresql import base

pytestmark = pytest.mark.django_db(transaction=True)
done: list[str] = []


def sleep(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s) /* slept */", [float(request.GET["s"])])
    done.append(request.method or "")
    return HttpResponse("slept")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[str]:
        yield "x" * 100_000
        with sessions.patient(20), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s) /* slept */", [float(request.GET["s"])])
        yield "y" * 100_000

    return StreamingHttpResponse(pieces())


urlpatterns = [path("sleep", sleep), path("stream", stream)]


@pytest.fixture(params=[False, True], ids=["threads", "page process"])
def web(request: pytest.FixtureRequest) -> Iterator[Running]:
    done.clear()
    base.limit_statements(2.0)
    connection.close_pool()
    middleware = ["subscriptions.too_slow.TooSlow", "django.middleware.common.CommonMiddleware"]
    try:
        with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware), running(relayed=request.param) as server:
            yield server
    finally:
        base.limit_statements(None)
        connection.close()
        connection.close_pool()


def asleep() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%/* slept */%'"
            " AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_a_page_that_takes_too_long_says_so_and_its_statement_ends(web: Running) -> None:
    with Wire(web.port) as wire:
        answer = wire.send(get("/sleep?s=20", "Connection: close")).rest()
    assert b" 503 " in answer.splitlines()[0]
    assert b"took too long" in answer
    assert not done
    assert asleep() == 0


def test_an_export_has_more_time_than_a_page(web: Running) -> None:
    with Wire(web.port, timeout=20) as wire:
        answer = wire.send(get("/stream?s=3", "Connection: close")).rest()
    assert b"y" * 100_000 in answer


@pytest.mark.parametrize("how", ["closes", "resets", "half-closes"])
def test_a_statement_ends_when_its_client_has_left(web: Running, how: str) -> None:
    base.limit_statements(20.0)
    connection.close_pool()
    wire = Wire(web.port)
    wire.send(get("/sleep?s=15"))
    wait_for(asleep, 5, "the statement")
    if how == "half-closes":
        wire.socket.shutdown(socket.SHUT_WR)
    else:
        if how == "resets":
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.socket.close()
    wait_for(lambda: asleep() == 0, 5, "its end")
    assert not done
    wire.socket.close()


def test_a_stream_ends_its_statement_when_its_client_has_left(web: Running) -> None:
    with Wire(web.port) as wire:
        wire.send(get("/stream?s=15"))
        wire.until(b"x")
        wait_for(asleep, 5, "the statement")
    wait_for(lambda: asleep() == 0, 5, "its end")


def test_a_change_is_carried_out_although_its_client_has_left(web: Running) -> None:
    with Wire(web.port) as wire:
        wire.send(post("/sleep?s=1.5", b""))
        wait_for(asleep, 5, "the statement")
    wait_for(lambda: done == ["POST"], 5, "the change")


def test_who_comes_next_on_the_thread_is_not_disturbed(web: Running) -> None:
    for _ in range(10):
        wires = [Wire(web.port) for _ in range(8)]
        for wire in wires:
            wire.send(get("/sleep?s=0.05", "Connection: close"))
        time.sleep(0.04)
        for wire in wires[::2]:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.socket.close()
        for wire in wires[1::2]:
            assert wire.rest().endswith(b"slept")
            wire.socket.close()
