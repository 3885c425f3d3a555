"""Receivers that answer with rubbish, too much, or nothing: each ends in an outcome, with bounded reading."""

import logging

import pytest

from deliveries.transport import READ_BYTES, ErrorClass
from deliveries.transport.answer import BODY_WIRE_BYTES, HEAD_BYTES
from deliveries.transport.outcome import KEEP_HEADER_BYTES, KEEP_HEADERS
from tests.deliveries.transport.conftest import Post
from tests.support.hostile import Connection, HostileServer, answers, closes, repeats, resets, says

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail ESMTP\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 42 Odd\r\n\r\n",
        b"HTTP/1.1 2000 Odd\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"A" * 70_000 + b"\r\n",
        OK + b"X: " + b"A" * 70_000 + b"\r\n\r\n",
        OK + b"Content-Length: 3, 5\r\n\r\nabcde",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_an_answer_that_is_not_http_is_an_invalid_response(post: Post, garbage: bytes):
    with HostileServer(says(garbage)) as server:
        outcome = post(server.url)
    assert outcome.error is ErrorClass.INVALID_RESPONSE
    assert outcome.status_code is None
    assert not outcome.delivered


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK", OK, OK + b"Content-Le", OK + b"Content-Length: 2\r\n"])
def test_a_head_that_breaks_off_is_no_answer(post: Post, cut: bytes):
    with HostileServer(says(cut)) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.error) == (None, ErrorClass.CONNECTION_RESET)


def test_closing_at_accept_and_resetting_are_connection_resets(post: Post):
    for handler in (closes, resets):
        with HostileServer(handler) as server:
            outcome = post(server.url)
        assert (outcome.error, outcome.resent) == (ErrorClass.CONNECTION_RESET, False)
        assert server.connections == 1


def test_nul_bytes_and_bad_utf8_in_the_body_survive(post: Post):
    body = b"\x00\xff\xfe\x80 ok \x00"
    with HostileServer(answers(body=body)) as server:
        assert post(server.url).body == body


def test_control_characters_in_headers_are_kept_as_escapes(post: Post):
    with HostileServer(answers(headers="X-Control: a\x01b\x1b[31m\x9b\r\nX-Latin: \xe9\r\n")) as server:
        headers = dict(post(server.url).headers)
    assert headers["X-Control"] == "a\\x01b\\x1b[31m\\x9b"
    assert headers["X-Latin"] == "é"


def test_a_nul_byte_in_a_header_costs_the_rest_of_the_answer_but_not_its_status(post: Post):
    with HostileServer(answers(headers="X-First: 1\r\nX-Nul: a\x00b\r\n")) as server:
        outcomes = [post(server.url) for _ in range(2)]
    assert [(outcome.status_code, outcome.error) for outcome in outcomes] == [(200, None)] * 2
    assert outcomes[0].headers == (("X-First", "1"),)
    assert outcomes[0].body_truncated
    assert "headers is malformed" in outcomes[0].detail
    assert not outcomes[1].reused_connection


def test_a_transfer_coding_that_nobody_asked_for_leaves_no_doubt_about_the_status(post: Post):
    with HostileServer(answers(headers="Transfer-Encoding: gzip, chunked\r\n")) as server:
        outcome = post(server.url)
    assert outcome.delivered
    assert outcome.body_truncated


def test_more_than_a_hundred_headers_are_no_failure(post: Post):
    many = "".join(f"X-{number}: 1\r\n" for number in range(4000))
    with HostileServer(answers("503 Busy", headers=many + "Retry-After: 7\r\n")) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.retry_after) == (503, 7.0)
    assert (outcome.body, len(outcome.headers)) == (b"ok", KEEP_HEADERS)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        OK + b"X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        OK + b": empty name\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Space : 1\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Encoding: unheard-of\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Length: 2\r\nVia: \xff\xfe\r\n\r\nok",
        OK + b"Date: never\r\nLast-Modified: x\r\nSet-Cookie: \x01\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_browsers_accept_is_no_failure(post: Post, answer: bytes):
    with HostileServer(says(answer)) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.error, outcome.body) == (200, None, b"ok")


def test_the_receivers_words_never_reach_the_detail(post: Post):
    with HostileServer(says(b"HTTP/1.1 500 \x1b[2Jfake log line\r\nContent-Length: 0\r\n\r\n")) as server:
        assert post(server.url).detail == "Your endpoint answered 500 Internal Server Error."


def test_kept_headers_are_capped_in_number_and_size(post: Post):
    with HostileServer(answers(headers="".join(f"X-{number}: 1\r\n" for number in range(90)))) as server:
        assert len(post(server.url).headers) == KEEP_HEADERS
    with HostileServer(answers(headers="".join(f"X-{number}: {'v' * 3000}\r\n" for number in range(9)))) as server:
        assert sum(len(name) + len(value) for name, value in post(server.url).headers) <= KEEP_HEADER_BYTES


def test_a_malformed_header_line_does_not_spoil_a_delivery_nor_flood_the_log(post: Post, caplog):
    caplog.set_level(logging.INFO)
    with HostileServer(says(OK + b"Content-Length: 2\r\nno colon here\r\nX: 1\r\n\r\nok")) as server:
        outcome = post(server.url)
    assert outcome.delivered
    assert not caplog.records


def counting(sent: list[int], first: bytes, block: bytes):
    """`repeats`, noting how many bytes the receiver could hand to its kernel."""

    def handler(connection: Connection) -> None:
        connection.read_request()
        connection.send(first)
        while True:
            connection.send(block)
            sent[0] += len(block)

    return handler


@pytest.mark.parametrize(
    "first",
    [
        OK + b"Content-Length: 10000000000\r\n\r\n",
        OK + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2540be400\r\n",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 10000000000\r\n\r\n",
    ],
    ids=["length", "until close", "one chunk", "gzip"],
)
def test_ten_gigabytes_are_not_read(post: Post, first: bytes):
    sent = [0]
    with HostileServer(counting(sent, first, b"\x00" * 65536)) as server:
        outcome = post(server.url)
    assert outcome.delivered  # its status said so
    assert outcome.body_bytes_read == READ_BYTES
    assert outcome.body_truncated
    assert "not read" in outcome.detail
    assert sent[0] < 20_000_000  # kernel buffers of both ends, not the 10 GB


@pytest.mark.parametrize(
    ("first", "block"),
    [
        (OK, b"X-Header: 12345678\r\n"),
        (OK, b"X: " + b"A" * 60_000 + b"\r\n"),
        (OK + b"X: ", b"A" * 65536),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Wake-ups\r\nLink: </a>\r\n\r\n"),
        (b"HTTP/1.1 103 Early Wake-ups\r\n", b"X: " + b"A" * 1000 + b"\r\n"),
    ],
    ids=["headers", "large headers", "one header", "100", "103", "headers of 103"],
)
def test_endless_heads_are_cut_off(post: Post, first: bytes, block: bytes):
    with HostileServer(repeats(first, block)) as server:
        outcome = post(server.url)
    assert outcome.error is ErrorClass.INVALID_RESPONSE
    assert outcome.total_ms < 9_000  # ended by the allowance, not by the deadline


def test_ten_interim_answers_are_patience_enough(post: Post):
    for count, expected in ((10, None), (11, ErrorClass.INVALID_RESPONSE)):
        with HostileServer(
            says(b"HTTP/1.1 103 Wake-ups\r\n\r\n" * count + OK + b"Content-Length: 0\r\n\r\n")
        ) as server:
            assert post(server.url).error is expected


def test_a_head_of_one_megabyte_is_an_invalid_response(post: Post):
    head = OK + b"".join(b"X-%d: %s\r\n" % (number, b"v" * 20_000) for number in range(50)) + b"\r\n"
    assert len(head) > HEAD_BYTES
    with HostileServer(says(head)) as server:
        outcome = post(server.url)
    assert outcome.error is ErrorClass.INVALID_RESPONSE
    assert "64 KiB" in outcome.detail


@pytest.mark.parametrize("chunk", [b"1;" + b"x" * 60_000 + b"\r\na\r\n", b"1\r\na\r\n"], ids=["extensions", "tiny"])
def test_chunks_that_are_mostly_framing_are_cut_off(post: Post, chunk: bytes):
    with HostileServer(repeats(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk)) as server:
        outcome = post(server.url)
    assert outcome.delivered
    assert outcome.body_truncated
    assert 0 < outcome.body_bytes_read <= min(2000, BODY_WIRE_BYTES // len(chunk) + 2)
    assert outcome.total_ms < 9_000


def test_endless_trailers_are_cut_off(post: Post):
    with HostileServer(repeats(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n")) as server:
        outcome = post(server.url)
    assert outcome.delivered
    assert outcome.total_ms < 9_000


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 100\r\n\r\nonly this",
        OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nonly this",
        OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nxyz\r\n",
    ],
    ids=["length", "chunk", "chunk size"],
)
def test_a_body_that_breaks_off_does_not_undo_a_delivery(post: Post, answer: bytes):
    with HostileServer(says(answer)) as server:
        outcome = post(server.url)
    assert outcome.delivered
    assert outcome.error is None
    assert outcome.body == b"only this"
    assert outcome.body_truncated
    assert "broke off" in outcome.detail


def test_a_reset_in_mid_body_keeps_the_status_of_a_failure(post: Post):
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\npart"

    def then_reset(connection: Connection) -> None:
        connection.sleep(0.2)
        connection.reset()

    with HostileServer(says(answer, then=then_reset)) as server:
        outcome = post(server.url)
    assert (outcome.status_code, outcome.error) == (500, ErrorClass.HTTP_ERROR)
    assert outcome.body == b"part"
    assert outcome.body_truncated


def test_a_content_length_shorter_than_the_body_does_not_leak_into_the_next_answer(post: Post):
    def handler(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.send(OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n")

    with HostileServer(handler) as server:
        assert [post(server.url).status_code for _ in range(3)] == [200, 200, 200]


def test_an_early_answer_to_a_request_that_is_not_read_counts(post: Post):
    def handler(connection: Connection) -> None:
        connection.sock.recv(1000)
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with HostileServer(handler) as server:
        outcome = post(server.url, body=b"x" * 200_000)
    assert outcome.status_code in (413, None)  # a reset may overtake the answer
    assert outcome.error in (ErrorClass.HTTP_ERROR, ErrorClass.CONNECTION_RESET)
