"""Promise 6: every attempt ends, in whatever phase the receiver stalls. Limits are short here; the slack is not."""

import ssl
import threading
import time

import pytest

from deliveries.transport import ErrorClass, Outcome, Transport, idle_connections
from tests.deliveries.transport.conftest import LOOPBACK, Authority, Post, make_request, send
from tests.support.hostile import Connection, HostileServer, black_hole, drips, hangs, never_reads, repeats, says

OK = b"HTTP/1.1 200 OK\r\n"
TOTAL = 0.6
AT_MOST = (TOTAL + 2.0) * 1000


def ends_in_time(total_ms: float) -> bool:
    return TOTAL * 1000 * 0.98 <= total_ms < AT_MOST


@pytest.mark.parametrize(
    "handler",
    [
        hangs,
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", every=0.1),
        drips(b"X-Slow: " + b"a" * 1000, every=0.05, first=OK),
        drips(b"X: 1\r\n" * 1000, every=0.05, first=OK),
        drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, every=0.02),
    ],
    ids=["silence", "status line", "header", "headers", "interim"],
)
def test_an_answer_that_never_gets_to_its_end_is_a_response_timeout(post: Post, handler):
    with HostileServer(handler) as server:
        outcome = post(server.url, total_timeout=TOTAL)
    assert (outcome.error, outcome.status_code) == (ErrorClass.RESPONSE_TIMEOUT, None)
    assert ends_in_time(outcome.total_ms)
    assert "0.6 s" in outcome.detail


@pytest.mark.parametrize(
    "first",
    [OK + b"Content-Length: 1000\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", OK + b"\r\n"],
    ids=["length", "chunk", "until close"],
)
def test_a_dripped_body_is_cut_at_the_deadline_and_the_status_stands(post: Post, first: bytes):
    with HostileServer(drips(b"a" * 1000, every=0.05, first=first)) as server:
        outcome = post(server.url, total_timeout=TOTAL)
    assert outcome.delivered
    assert ends_in_time(outcome.total_ms)
    assert outcome.body_truncated
    assert 0 < len(outcome.body) < 100
    assert "did not end in time" in outcome.detail


def test_chunks_that_drip_are_cut_at_the_deadline(post: Post):
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    with HostileServer(drips(b"1\r\na\r\n" * 1000, every=0.03, first=chunked)) as server:
        outcome = post(server.url, total_timeout=TOTAL)
    assert outcome.delivered
    assert ends_in_time(outcome.total_ms)


def test_a_failure_with_a_dripped_body_stays_that_failure(post: Post):
    with HostileServer(
        drips(b"a" * 1000, every=0.05, first=b"HTTP/1.1 503 x\r\nContent-Length: 1000\r\n\r\n")
    ) as server:
        outcome = post(server.url, total_timeout=TOTAL)
    assert (outcome.status_code, outcome.error) == (503, ErrorClass.HTTP_ERROR)


def test_a_receiver_that_never_reads_the_request_is_a_response_timeout(post: Post):
    with HostileServer(never_reads) as server:
        outcome = post(server.url, body=b"x" * 20_000_000, total_timeout=TOTAL)
    assert outcome.error is ErrorClass.RESPONSE_TIMEOUT
    assert "taking the request" in outcome.detail
    assert ends_in_time(outcome.total_ms)


def test_a_receiver_that_reads_the_request_in_drips_is_a_response_timeout(post: Post):
    def handler(connection: Connection) -> None:
        while connection.sock.recv(10_000):
            connection.sleep(0.05)

    with HostileServer(handler) as server:
        outcome = post(server.url, body=b"x" * 20_000_000, total_timeout=TOTAL)
    assert outcome.error is ErrorClass.RESPONSE_TIMEOUT
    assert ends_in_time(outcome.total_ms)


def test_a_black_hole_is_a_connect_timeout(post: Post):
    with black_hole() as port:
        outcome = post(f"http://127.0.0.1:{port}/", connect_timeout=TOTAL)
    assert outcome.error is ErrorClass.CONNECT_TIMEOUT
    assert ends_in_time(outcome.total_ms)
    assert outcome.remote_address == "127.0.0.1"
    assert outcome.first_byte_ms is None


def test_the_total_deadline_holds_a_connect_too(post: Post):
    with black_hole() as port:
        outcome = post(f"http://127.0.0.1:{port}/", connect_timeout=60, total_timeout=TOTAL)
    assert outcome.error is ErrorClass.CONNECT_TIMEOUT
    assert ends_in_time(outcome.total_ms)


def test_a_closed_port_is_a_refused_connection(post: Post):
    with HostileServer(hangs) as server:
        pass
    outcome = post(server.url)
    assert outcome.error is ErrorClass.CONNECT_REFUSED
    assert outcome.total_ms < 2000


@pytest.mark.parametrize("dripped", [b"", b"\x16\x03\x03\x40\x00" + b"\x02" * 16384], ids=["silent", "dripping"])
def test_a_tls_handshake_that_never_ends_is_a_response_timeout(transport: Transport, dripped: bytes):
    def handler(connection: Connection) -> None:
        connection.sock.recv(4096)
        connection.drip(dripped, every=0.05)
        hangs(connection)

    with HostileServer(handler) as server:
        outcome = send(transport, f"https://127.0.0.1:{server.port}/", total_timeout=TOTAL)
    assert outcome.error is ErrorClass.RESPONSE_TIMEOUT
    assert "TLS" in outcome.detail
    assert ends_in_time(outcome.total_ms)


@pytest.mark.parametrize("phase", ["head", "body", "request", "records"])
def test_deadlines_hold_inside_tls(authority: Authority, phase: str):
    def tiny_records(connection: Connection) -> None:
        connection.read_request()
        plain = connection.sock
        assert isinstance(plain, ssl.SSLSocket)
        connection.drip(OK + b"X: " + b"a" * 1000, every=0.03)

    handler = {
        "head": hangs,
        "body": drips(b"a" * 1000, every=0.05, first=OK + b"\r\n"),
        "request": never_reads,
        "records": tiny_records,
    }[phase]
    body = b"x" * 20_000_000 if phase == "request" else b"{}"
    transport = Transport(LOOPBACK, ca_file=authority.ca_file)
    with HostileServer(handler, tls=authority.server("127.0.0.1")) as server:
        outcome = send(transport, server.url, body=body, total_timeout=TOTAL)
    transport.close()
    assert outcome.delivered == (phase == "body")
    assert outcome.error is (None if phase == "body" else ErrorClass.RESPONSE_TIMEOUT)
    assert ends_in_time(outcome.total_ms)


def test_a_kept_connection_gets_a_deadline_of_its_own_for_each_send(post: Post):
    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.answer()
        connection.read_request()
        hangs(connection)

    with HostileServer(handler) as server:
        assert post(server.url, total_timeout=30).delivered
        outcome = post(server.url, total_timeout=TOTAL)
        assert outcome.reused_connection
        assert outcome.error is ErrorClass.RESPONSE_TIMEOUT
        assert not outcome.resent
        assert ends_in_time(outcome.total_ms)
        assert server.connections == 1


def test_stalled_receivers_do_not_slow_down_others_of_the_same_transport(transport: Transport):
    with HostileServer(hangs) as stalled, HostileServer(says(OK + b"Content-Length: 0\r\n\r\n")) as quick:
        waiting = [
            threading.Thread(target=send, args=(transport, stalled.url), kwargs={"total_timeout": 3.0})
            for _ in range(32)
        ]
        for thread in waiting:
            thread.start()
        began = time.monotonic()
        assert all(send(transport, quick.url).delivered for _ in range(10))
        assert time.monotonic() - began < 2.5
        for thread in waiting:
            thread.join()


def test_a_flood_that_never_pauses_still_meets_the_deadline(post: Post):
    with HostileServer(repeats(b"HTTP/1.1 100 Continue\r\n", b"X" * 10)) as server:
        assert post(server.url, total_timeout=TOTAL).total_ms < AT_MOST


def test_more_failing_connects_at_once_than_handles_are_kept_all_end(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
):
    """What is measured of a failed connect is read before its easy handle goes, or the exchange would never end."""
    monkeypatch.setattr(idle_connections, "MAX_SPARE", 2)
    with HostileServer(hangs) as gone:
        pass
    outcomes: list[Outcome] = []
    over = threading.Event()

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 60:
            over.set()

    for _ in range(20):
        for url in (gone.url, f"http://localhost:{gone.port}/", f"http://127.0.0.1:{gone.port}/other"):
            transport.submit(make_request(url, total_timeout=5.0), done)
    assert over.wait(10)
    assert {outcome.error for outcome in outcomes} == {ErrorClass.CONNECT_REFUSED}


def test_a_fault_while_a_failure_is_described_ends_the_exchange_too(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, caplog
):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("deliveries.transport.transfers.failed", broken)
    with black_hole() as port:
        outcome = send(transport, f"http://127.0.0.1:{port}/", connect_timeout=0.2)
    assert outcome.error is ErrorClass.INTERNAL
    assert "a bug" in caplog.text
