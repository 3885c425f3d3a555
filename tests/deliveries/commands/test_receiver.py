"""The receiver's HTTP: what it reads, what it refuses, and how it ends."""

from __future__ import annotations

import socket
import threading

import pytest
import requests

from deliveries.management.receiver import Answer, Receiver
from deliveries.management.receiver.server import BODY_MAX, HEAD_MAX
from tests.support.receiver import TestReceiver


def talk(receiver: Receiver, raw: bytes) -> bytes:
    """Send raw bytes, say that no more come, and return all that is answered."""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def receiver():
    with TestReceiver() as running:
        yield running


def test_a_connection_serves_many_requests(receiver):
    answer = talk(receiver, b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi" * 3)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert [received.body for received in receiver.requests] == [b"hi"] * 3


def test_many_connections_are_served_side_by_side():
    with TestReceiver(delay=0.3) as receiver:
        ready = threading.Barrier(20)

        def post() -> None:
            ready.wait()
            requests.post(receiver.url, data=b"{}", timeout=10)

        threads = [threading.Thread(target=post) for _ in range(20)]
        for thread in threads:
            thread.start()
        receiver.wait_for(20)
        for thread in threads:
            thread.join()
    assert receiver.statuses == [200] * 20


def test_a_header_sent_twice_is_seen_twice(receiver):
    talk(receiver, b"POST / HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
    assert receiver.requests[0].headers.items() == (("X-A", "1"), ("x-a", "2"))


def test_a_signature_sent_twice_does_not_verify():
    with TestReceiver(dialect="shopery", secret="a-secret-of-twelve") as receiver:
        talk(receiver, b"POST / HTTP/1.1\r\n" + b"X-Shopery-Secret: a-secret-of-twelve\r\n" * 2 + b"\r\n")
    assert receiver.statuses == [401]
    assert "came 2 times" in receiver.problems[0]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_MAX + 1), 413),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * HEAD_MAX + b"\r\n\r\n", 431),
    ],
)
def test_what_it_cannot_read_is_refused(receiver, raw, status):
    assert talk(receiver, raw).startswith(b"HTTP/1.1 %d " % status)
    assert receiver.requests == []


def test_a_body_that_breaks_off_is_no_request(receiver):
    assert talk(receiver, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf") == b""
    assert receiver.requests == []


def test_it_asks_for_a_body_that_waits_to_be_asked_for(receiver):
    raw = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
    assert talk(receiver, raw).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_an_answer_without_content_has_none(receiver):
    receiver.script(204)
    answer = talk(receiver, b"POST / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length" not in answer


def test_a_script_is_played_once_then_it_behaves(receiver):
    receiver.fail_next(2)
    receiver.script(Answer(429, headers=(("Retry-After", "7"),)))
    answers = [requests.post(receiver.url, timeout=10) for _ in range(4)]
    assert [answer.status_code for answer in answers] == receiver.statuses == [503, 503, 429, 200]
    assert answers[2].headers["Retry-After"] == "7"


def test_fixed_it_stops_failing():
    with TestReceiver(fail=float("inf")) as receiver:
        assert requests.post(receiver.url, timeout=10).status_code == 503
        receiver.repair()
        assert requests.post(receiver.url, timeout=10).status_code == 200


def test_stopping_ends_a_delay_and_frees_the_port():
    receiver = TestReceiver(delay=60).start()
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(talk(receiver, b"POST / HTTP/1.1\r\n\r\n")))
    waiting.start()
    receiver.wait_for(1)
    receiver.stop()
    waiting.join(10)
    assert answers == [b""]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", receiver.port), timeout=5)
