"""Connections are kept, bounded, closed when idle, and survive receivers that close them. See test_owners too."""

import random
import threading
import time

import pytest

from deliveries.transport import ErrorClass, Transport, describe, idle_connections, pool, transfers
from tests.deliveries.transport.conftest import LOOPBACK, Post, send
from tests.support.hostile import Connection, HostileServer, answers, closes_after, says


def test_a_second_send_uses_the_kept_connection(post: Post):
    with HostileServer(answers()) as server:
        outcomes = [post(server.url), post(server.url + "/other")]
        assert server.connections == 1
    assert [outcome.reused_connection for outcome in outcomes] == [False, True]
    assert outcomes[1].remote_address == "127.0.0.1"
    assert outcomes[1].connect_ms is None


def test_connection_close_is_honoured(post: Post):
    with HostileServer(answers(headers="Connection: close\r\n")) as server:
        assert [post(server.url).reused_connection for _ in range(2)] == [False, False]


def test_a_connection_the_receiver_closed_while_idle_is_replaced_before_use(post: Post):
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.answer()  # and the handler's end closes, though nothing was said of it

    with HostileServer(handler) as server:
        for _ in range(3):
            outcome = post(server.url)
            assert outcome.delivered
            assert not outcome.resent
            time.sleep(0.1)
        assert server.connections == 3
        assert len(server.requests) == 3


@pytest.mark.parametrize("reset", [False, True])
def test_a_kept_connection_that_breaks_just_as_it_is_used_is_resent_once(post: Post, reset: bool):
    with HostileServer(closes_after(1, reset=reset)) as server:
        first = post(server.url)
        assert not first.resent
        assert describe.RESENT not in first.detail
        outcome = post(server.url)
        assert outcome.delivered
        assert outcome.resent
        assert outcome.detail.endswith(describe.RESENT), "the merchant's log says why it came twice"
        assert not outcome.reused_connection
        assert server.connections == 2
        assert [received.headers["webhook-id"] for received in server.requests] == ["evt_1"] * 3


def test_it_is_resent_once_only(post: Post):
    def handler(connection: Connection) -> None:
        connection.read_request()
        if connection.number == 0:
            connection.answer()
            connection.read_request()

    with HostileServer(handler) as server:
        assert post(server.url).delivered
        outcome = post(server.url)
        assert (outcome.error, outcome.resent) == (ErrorClass.CONNECTION_RESET, True)
        assert outcome.detail.endswith(describe.RESENT)
        assert server.connections == 2


def test_a_new_connection_that_breaks_is_not_resent(post: Post):
    with HostileServer(closes_after(0)) as server:
        outcome = post(server.url)
    assert (outcome.error, outcome.resent) == (ErrorClass.CONNECTION_RESET, False)
    assert len(server.requests) == 1


def test_a_kept_connection_that_breaks_after_a_while_is_a_failed_attempt(post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transfers, "RESEND_WITHIN_SECONDS", 0.2)

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.answer()
        connection.read_request()
        connection.sleep(0.8)  # at work; then it crashes

    with HostileServer(handler) as server:
        assert post(server.url).delivered
        outcome = post(server.url)
        assert (outcome.error, outcome.resent) == (ErrorClass.CONNECTION_RESET, False)
        assert outcome.reused_connection
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "rest", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le", b"stray", b"\r\n", b"<html></html>\n"]
)
def test_what_is_no_answer_on_a_kept_connection_is_tried_once_on_a_new_one(post: Post, rest: bytes):
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.answer()
        if connection.number == 0:
            connection.read_request()
            connection.send(rest)

    with HostileServer(handler) as server:
        assert post(server.url).delivered
        outcome = post(server.url)
        assert (outcome.delivered, outcome.resent) == (True, True)
        assert len(server.requests) == 3


def test_what_is_no_answer_on_a_new_connection_is_not_tried_again(post: Post):
    with HostileServer(says(b"HTTP/1.1 2")) as server:
        outcome = post(server.url)
    assert (outcome.error, outcome.resent) == (ErrorClass.CONNECTION_RESET, False)
    assert len(server.requests) == 1


def test_connections_closed_at_random_lose_no_delivery(transport: Transport):
    chance = random.Random(7)

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.answer()
        while chance.random() < 0.7:
            connection.read_request()
            connection.answer()

    with HostileServer(handler) as server:
        outcomes = [send(transport, server.url) for _ in range(200)]
        assert all(outcome.delivered for outcome in outcomes)
        assert len(server.requests) == 200  # a closed connection takes no request, so nothing came twice
        assert server.connections > 20


def test_bytes_that_come_unasked_between_requests_spoil_the_connection_only(post: Post):
    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.answer()
            connection.sleep(0.1)
            connection.send(b"HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n")

    with HostileServer(handler) as server:
        assert post(server.url).status_code == 200
        time.sleep(0.5)
        assert post(server.url).status_code == 200
        assert server.connections == 2


def test_a_connection_idle_for_too_long_is_not_used_again(post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "KEEP_IDLE_SECONDS", 0.1)
    with HostileServer(answers()) as server:
        assert post(server.url).delivered
        time.sleep(0.3)
        assert not post(server.url).reused_connection


def wait_until(condition) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def closed_connections(closed: list[int]):
    def handler(connection: Connection) -> None:
        try:
            answers()(connection)
        finally:
            closed.append(connection.number)

    return handler


def test_idle_connections_are_closed_on_demand(transport: Transport, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "KEEP_IDLE_SECONDS", 0.1)
    closed: list[int] = []
    with HostileServer(closed_connections(closed)) as server:
        send(transport, server.url)
        time.sleep(0.3)
        assert transport.close_idle() == 1
        assert wait_until(lambda: closed == [0])
        assert transport.close_idle() == 0
        assert send(transport, server.url).delivered


def test_sends_close_idle_connections_of_other_receivers(transport: Transport, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "KEEP_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(idle_connections, "REAP_SECONDS", 0.1)
    closed: list[int] = []
    with HostileServer(closed_connections(closed)) as idle, HostileServer(answers()) as busy:
        send(transport, idle.url)
        time.sleep(0.3)
        send(transport, busy.url)
        assert wait_until(lambda: closed == [0])


def test_the_least_recently_used_receivers_connections_go_first():
    transport = Transport(LOOPBACK, max_kept=2)
    closed: list[int] = []
    with HostileServer(closed_connections(closed)) as a, HostileServer(answers()) as b, HostileServer(answers()) as c:
        for server in (a, b, a, c):  # b is the oldest when c comes
            send(transport, server.url)
        assert [send(transport, server.url).reused_connection for server in (a, c)] == [True, True]
        assert not send(transport, b.url).reused_connection  # and now a is the oldest
        assert wait_until(lambda: closed == [0])
        transport.close()


def test_no_more_connections_of_an_owner_are_kept_than_allowed_and_none_is_complained_of(
    caplog, monkeypatch: pytest.MonkeyPatch
):
    transport = Transport(LOOPBACK, max_kept_by_owner=2)
    together = threading.Barrier(6)

    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            if connection.number < 6:
                together.wait(10)
            connection.answer()

    with HostileServer(handler) as server:
        threads = [threading.Thread(target=send, args=(transport, server.url)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == 6
        monkeypatch.setattr(pool, "KEEP_IDLE_SECONDS", -1.0)
        assert transport.close_idle() == 2
    assert not caplog.records


def test_128_threads_share_a_transport(transport: Transport):
    problems: list[object] = []

    def work(server: HostileServer) -> None:
        for number in range(10):
            body = f"{threading.get_ident()}-{number}".encode()
            outcome = send(transport, server.url, body=body)
            if not outcome.delivered or outcome.body != body:
                problems.append(outcome)

    def echo(connection: Connection) -> None:
        while True:
            connection.answer(body=connection.read_request().body)

    with HostileServer(echo) as one, HostileServer(echo) as two:
        threads = [threading.Thread(target=work, args=(server,)) for server in (one, two) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(one.requests) + len(two.requests) == 1280
    assert not problems
