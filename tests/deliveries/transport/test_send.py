"""What leaves the house, and what comes back from receivers that behave."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from deliveries.transport import KEEP_BYTES, READ_BYTES, ErrorClass, Request, Transport
from tests.deliveries.transport.conftest import LOOPBACK, Authority, Post, send
from tests.support.hostile import Connection, HostileServer, answers, says


def test_the_request_is_a_post_of_the_exact_bytes_with_a_content_length(post: Post):
    body = '{"n":"é\u2028"}'.encode()
    with HostileServer(answers()) as server:
        outcome = post(server.url + "?a=1", body=body, headers=[("webhook-id", "evt_1"), ("User-Agent", "Shop/1.0")])
    assert outcome.delivered
    (received,) = server.requests
    assert received.line == "POST /hook?a=1 HTTP/1.1"
    assert received.body == body
    assert received.headers == {
        "host": f"127.0.0.1:{server.port}",
        "webhook-id": "evt_1",
        "user-agent": "Shop/1.0",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-length": str(len(body)),
    }


def test_an_empty_body_has_content_length_zero_and_no_chunks(post: Post):
    with HostileServer(answers()) as server:
        assert post(server.url, body=b"").delivered
    assert server.requests[0].headers["content-length"] == "0"
    assert "transfer-encoding" not in server.requests[0].headers


def test_header_names_keep_their_case_and_a_default_user_agent_is_ours(post: Post):
    with HostileServer(answers()) as server:
        post(server.url, headers=[("X-Alva-HMAC-SHA256", "ab")])
    assert b"X-Alva-HMAC-SHA256: ab\r\n" in server.requests[0].head + b"\r\n"
    assert server.requests[0].headers["user-agent"].startswith("Merchant-Webhooks")


def test_head_and_body_leave_together(authority: Authority):
    """Apart, the body of many a small request would wait for a receiver's delayed acknowledgement of the head."""
    first = []

    def handler(connection: Connection) -> None:
        first.append(connection.sock.recv(65536))  # one TLS record at most
        connection.answer()

    transport = Transport(LOOPBACK, ca_file=authority.ca_file)
    with HostileServer(handler, tls=authority.server("127.0.0.1")) as server:
        assert send(transport, server.url, body=b"the body").delivered
    transport.close()
    assert first[0].endswith(b"\r\n\r\nthe body")


def test_a_receiver_that_writes_head_and_body_apart_is_not_kept_waiting_for_acknowledgements(post: Post):
    def handler(connection: Connection) -> None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)  # Nagle's algorithm on, as by default
        while True:
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
            connection.send(b"\r\n")
            connection.send(b"ok")

    with HostileServer(handler) as server:
        outcomes = [post(server.url) for _ in range(30)]
    waits = sorted(outcome.total_ms - outcome.first_byte_ms for outcome in outcomes[15:])
    assert waits[2] < 35  # Linux delays an acknowledgement by 40 ms once a connection is no longer new


def test_a_large_body_arrives_whole(post: Post):
    body = bytes(range(256)) * 4096
    with HostileServer(answers()) as server:
        assert post(server.url, body=body).delivered
    assert server.requests[0].body == body


def test_the_outcome_tells_status_headers_body_address_and_times(post: Post):
    with HostileServer(answers("201 Made", b"thanks", "X-Id: 7\r\n")) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.error, outcome.body) == (201, None, b"thanks")
    assert outcome.detail == "Your endpoint answered 201 Created."
    assert ("X-Id", "7") in outcome.headers
    assert outcome.remote_address == "127.0.0.1"
    assert (outcome.body_bytes_read, outcome.body_truncated, outcome.permanent) == (6, False, False)
    assert outcome.connect_ms > 0
    assert 0 < outcome.first_byte_ms <= outcome.total_ms < 10_000
    assert outcome.dns_ms is None  # an address needs no lookup
    assert outcome.tls_ms is None


def test_a_204_without_a_body_is_delivered_and_keeps_the_connection(post: Post):
    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with HostileServer(handler) as server:
        assert [post(server.url).status_code for _ in range(2)] == [204, 204]
    assert server.connections == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent", "304 Not Modified"])
def test_a_redirect_is_a_failed_attempt_and_is_not_followed(post: Post, status: str):
    with HostileServer(answers()) as elsewhere:
        with HostileServer(answers(status, b"", f"Location: {elsewhere.url}\r\n")) as server:
            outcome = post(server.url)
        assert outcome.error is ErrorClass.REDIRECT
        assert not outcome.delivered
        assert outcome.status_code == int(status[:3])
        assert "not followed" in outcome.detail
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "status", ["400 Bad", "404 Not Found", "429 Slow", "500 Oops", "503 Later", "599 Odd", "999 X"]
)
def test_any_other_status_is_an_http_error_described_in_our_own_words(post: Post, status: str):
    with HostileServer(answers(status)) as server:
        outcome = post(server.url)
    assert outcome.error is ErrorClass.HTTP_ERROR
    assert outcome.status_code == int(status[:3])
    assert "Oops" not in outcome.detail
    assert not outcome.permanent


def test_410_gone_is_permanent(post: Post):
    with HostileServer(answers("410 Gone")) as server:
        assert post(server.url).permanent


def test_retry_after_is_read_as_seconds_or_as_a_date(post: Post):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    for value, low, high in [("120", 120, 120), (date, 60, 90), (past, 0, 0)]:
        with HostileServer(answers("429 Slow", headers=f"Retry-After: {value}\r\n")) as server:
            assert low <= post(server.url).retry_after <= high


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_retry_after_date_counts_from_the_answers_own_date_whichever_clock_is_wrong(post: Post, hours: int):
    theirs = datetime.now(UTC) + timedelta(hours=hours)
    date, later = (format_datetime(moment, usegmt=True) for moment in (theirs, theirs + timedelta(seconds=90)))
    with HostileServer(answers("429 Slow", headers=f"Date: {date}\r\nRetry-After: {later}\r\n")) as server:
        assert post(server.url).retry_after == 90
    with HostileServer(answers("429 Slow", headers=f"Date: soon\r\nRetry-After: {later}\r\n")) as server:
        assert post(server.url).retry_after == pytest.approx(max(0, 3600 * hours + 90), abs=30)


@pytest.mark.parametrize("value", ["soon", "-5", "1.5", "9" * 5000, "", "Mon, 99 Foo 2024 00:00:00 GMT", "٣"])
def test_a_retry_after_that_makes_no_sense_is_none(post: Post, value: str):
    with HostileServer(says(f"HTTP/1.1 503 x\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.retry_after) == (503, None)


def test_a_body_that_just_fits_is_read_whole_and_its_first_bytes_are_kept(post: Post):
    body = b"ab" * (READ_BYTES // 2)
    with HostileServer(answers(body=body)) as server:
        first, second = post(server.url), post(server.url)
    assert first.body == body[:KEEP_BYTES]
    assert first.body_bytes_read == READ_BYTES
    assert first.body_truncated
    assert second.reused_connection


def test_chunked_answers_are_read_and_the_connection_is_kept(post: Post):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"

    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.send(chunked)

    with HostileServer(handler) as server:
        outcomes = [post(server.url) for _ in range(3)]
    assert [(outcome.body, outcome.body_truncated) for outcome in outcomes] == [(b"abcde", False)] * 3
    assert server.connections == 1


def test_compressed_bodies_are_kept_as_they_are(post: Post):
    with HostileServer(answers(body=b"\x1f\x8b not really gzip", headers="Content-Encoding: gzip\r\n")) as server:
        outcome = post(server.url)
    assert outcome.delivered
    assert outcome.body == b"\x1f\x8b not really gzip"


def test_interim_answers_are_skipped(post: Post):
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Wake-ups\r\nLink: </a>\r\n\r\n"
    )
    with HostileServer(says(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.body) == (200, b"ok")
    assert "Link" not in dict(outcome.headers)


def test_proxies_netrc_and_ca_bundles_of_the_environment_are_ignored(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with HostileServer(answers()) as proxy, HostileServer(answers()) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert send(transport, server.url).delivered
        assert proxy.connections == 0
        assert "authorization" not in server.requests[0].headers


def test_cookies_are_not_sent_back(post: Post):
    with HostileServer(answers(headers="Set-Cookie: a=b; Path=/\r\n")) as server:
        post(server.url)
        post(server.url)
    assert all("cookie" not in received.headers for received in server.requests)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "1\rX"),
        ("X-A", "nul\x00"),
        ("X-A", "\x7f"),
        ("X-A", "\x85"),
        ("X-A", "snow\u2603"),
        ("X-A\r\nX-B", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("Ünï", "1"),
    ],
)
def test_headers_that_could_inject_others_are_refused(name: str, value: str):
    with pytest.raises(ValueError, match="header"):
        Request("https://example.com/", [(name, value)], b"", 1, 1)


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Cookie", "Expect", "TE"]
)
def test_headers_that_decide_framing_or_routing_belong_to_the_transport(name: str):
    with pytest.raises(ValueError, match="leave it out"):
        Request("https://example.com/", [(name, "x")], b"", 1, 1)


def test_a_header_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Request("https://example.com/", [("X-Sig", "a"), ("x-sig", "b")], b"", 1, 1)


@pytest.mark.parametrize(("connect", "total"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_timeouts_must_be_positive(connect: float, total: float):
    with pytest.raises(ValueError, match="timeout"):
        Request("https://example.com/", [], b"", connect, total)


def test_the_path_is_sent_percent_encoded_and_otherwise_as_given(post: Post):
    with HostileServer(answers()) as server:
        post(server.url + "//a/../b;c=1,é?q=%2F&x=a+b&e=ä&u=http://x/?y")
    assert server.requests[0].line == "POST /hook//a/../b;c=1,%C3%A9?q=%2F&x=a+b&e=%C3%A4&u=http://x/?y HTTP/1.1"


def test_a_fault_of_our_own_is_an_outcome_too(transport: Transport, monkeypatch: pytest.MonkeyPatch, caplog):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("deliveries.transport.transfers.describe", broken)
    with HostileServer(answers()) as server:
        outcome = send(transport, server.url)
    assert outcome.error is ErrorClass.INTERNAL
    assert "a bug" in caplog.text
