"""requests over the guarded exit: a session like any other, that can go nowhere it shouldn't."""

import io
import time

import pytest
import requests

from deliveries.transport import AddressPolicy, Transport
from deliveries.transport.requests_adapter import GuardedSession, guarded_session
from tests.deliveries.transport.conftest import LOOPBACK, Authority, resolving_to
from tests.support.hostile import HostileServer, answers, black_hole, closes, hangs, says

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@pytest.fixture
def session(transport: Transport) -> GuardedSession:
    return guarded_session(transport)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_sent_and_answered(session: GuardedSession, method: str):
    with HostileServer(answers(body=b"" if method == "HEAD" else b"{}", headers="X-Id: 7\r\n")) as server:
        answer = session.request(method, server.url + "?a=1", data=None if method in ("GET", "HEAD") else b"body")
    assert answer.status_code == 200
    assert answer.headers["x-id"] == "7"
    assert answer.text == ("" if method == "HEAD" else "{}")
    [received] = server.requests
    assert received.line == f"{method} /hook?a=1 HTTP/1.1"
    assert received.body == (b"" if method in ("GET", "HEAD") else b"body")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"json": {"a": 1}}, b'{"a": 1}'),
        ({"data": {"a": "1", "b": "2"}}, b"a=1&b=2"),
        ({"data": "é"}, "é".encode()),
        ({"data": b"\x00\xff"}, b"\x00\xff"),
        ({"data": iter([b"in ", b"pieces"])}, b"in pieces"),
        ({"data": io.BytesIO(b"a file")}, b"a file"),
        ({}, b""),
    ],
)
def test_bodies_of_every_kind_arrive_whole(session: GuardedSession, body: dict, expected: bytes):
    with HostileServer(answers()) as server:
        session.post(server.url, **body)
    assert server.requests[0].body == expected
    assert "transfer-encoding" not in server.requests[0].headers


def test_one_session_is_used_again_and_again_with_connections_of_its_own(session: GuardedSession):
    with HostileServer(answers()) as server:
        for method in METHODS * 2:
            assert session.request(method, server.url).status_code == 200
        assert server.connections == len(METHODS) * 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_redirects_are_answers_like_any_other(session: GuardedSession, status: str):
    with HostileServer(answers()) as elsewhere:
        with HostileServer(answers(status, b"", f"Location: {elsewhere.url}\r\n")) as server:
            answer = session.get(server.url)
        assert answer.status_code == int(status[:3])
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "http://shop.example/",
        "https://shop.example/",
    ],
)
def test_a_place_that_may_not_be_called_is_refused(url: str):
    transport = Transport(AddressPolicy(), lookup=resolving_to("192.168.0.7"))
    with pytest.raises(requests.exceptions.InvalidURL) as refused:
        guarded_session(transport).get(url)
    assert refused.value.request.url == url
    transport.close()


def test_what_goes_wrong_is_raised_as_requests_raises_it(session: GuardedSession):
    with HostileServer(closes) as server, pytest.raises(requests.exceptions.ConnectionError, match="without answering"):
        session.get(server.url)
    with pytest.raises(requests.exceptions.ConnectionError, match="Nothing accepts"):
        session.get(server.url)
    with HostileServer(says(b"SSH-2.0-OpenSSH\r\n")) as server, pytest.raises(requests.exceptions.ConnectionError):
        session.get(server.url)
    with black_hole() as port, pytest.raises(requests.exceptions.ConnectTimeout):
        session.get(f"http://127.0.0.1:{port}/", timeout=0.3)
    began = time.monotonic()
    with HostileServer(hangs) as server, pytest.raises(requests.exceptions.ReadTimeout) as late:
        session.get(server.url, timeout=(3, 0.3))
    assert time.monotonic() - began < 3
    assert late.value.outcome.error == "response_timeout"


def test_certificates_are_verified_and_that_cannot_be_turned_off(authority: Authority):
    trusting, other = Transport(LOOPBACK, ca_file=authority.ca_file), Transport(LOOPBACK)
    with HostileServer(answers(), tls=authority.server("127.0.0.1")) as server:
        assert guarded_session(trusting).get(server.url).ok
        with pytest.raises(requests.exceptions.SSLError, match="unknown authority"):
            guarded_session(other).get(server.url)
        with pytest.raises(ValueError, match="verify"):
            guarded_session(other).get(server.url, verify=False)
    trusting.close()
    other.close()


def test_proxies_and_netrc_are_refused_or_ignored(session: GuardedSession, monkeypatch: pytest.MonkeyPatch):
    with HostileServer(answers()) as proxy, HostileServer(answers()) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert session.get(server.url).ok
        with pytest.raises(ValueError, match="proxies"):
            session.get(server.url, proxies={"http": proxy.url})
        assert proxy.connections == 0


def test_an_answer_that_is_too_long_or_cut_is_an_error(transport: Transport):
    session = guarded_session(transport, read_bytes=100)
    with HostileServer(answers(body=b"x" * 100)) as server:
        assert len(session.get(server.url).content) == 100
    for answer in (b"Content-Length: 101\r\n\r\n" + b"x" * 101, b"Content-Length: 50\r\n\r\nx"):
        with (
            HostileServer(says(b"HTTP/1.1 200 OK\r\n" + answer)) as server,
            pytest.raises(requests.exceptions.ContentDecodingError),
        ):
            session.get(server.url)


def test_cookies_are_not_sent_back(session: GuardedSession):
    with HostileServer(answers(headers="Set-Cookie: a=b; Path=/\r\n")) as server:
        session.get(server.url)
        session.get(server.url)
    assert all("cookie" not in received.headers for received in server.requests)
