"""docs/receivers/: secrets of every printable character, forged signatures, odd headers and lengths."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import string
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from deliveries.dialects import Encoded
from tests.docs.test_receivers import DIALECTS, Sample
from tests.support.receivers.samples import message

PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F)) + " ~"
SECRETS = [
    PRINTABLE,
    "two words and more",
    "comma,separated,secret",
    '["json", "list", "secret"]',
    '{"json":"object"}',
    "double  space in it",
    '"quoted at both ends"',
    "'single quotes here'",
    "-starts-with-a-dash",
    "$HOME `id` \\n %s {0}",
    "trailing-backslash\\",
    "whsec_is-no-prefix-here",
    "=equals=and;semicolons;",
    "#no-comment-at-all",
    "x" * 256,
]
PLAIN = ("alva", "litestore", "cryptlex", "shopery")


def raw(
    sample: Any, head: str, body: bytes = b"", *, half_close: bool = False, path: str = "/webhooks"
) -> tuple[int, float]:
    """Send bytes as they are; return the answer's status and the seconds it took."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", sample.port), timeout=10) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode("latin-1") + body)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n" not in answer and (chunk := connection.recv(4096)):
            answer += chunk
    return int(answer.split()[1]), time.monotonic() - started


def lines(request: Encoded) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in request.headers)


def signed(sample: Sample, secret: str = "", **changes: str) -> Encoded:
    event_id = changes.pop("event_id", f"evt_{time.monotonic_ns()}")
    return sample.dialect.encode(
        message(event_id=event_id, sent_at=datetime.now(UTC), **changes), (secret or sample.secret,)
    )


def posted(sample: Sample, request: Encoded) -> int:
    return raw(sample, lines(request) + f"Content-Length: {len(request.body)}\r\n", request.body)[0]


def pieces(secret: str) -> set[str]:
    """What a careless reader could take for the secret."""
    parts = {part for split in (" ", ",", '"', "'", ":", ";", "=", "#", "\\") for part in secret.split(split)}
    parts |= {secret.strip("\"'[]{} "), secret[:1], secret[:5], secret[:-1], secret[1:], secret.lower(), secret.upper()}
    return {part for part in parts if part and part != secret and part == part.strip()}


# The way a secret comes in is the same for all dialects: one of them tries each.
CASES = [(name, secret) for name in PLAIN for secret in (SECRETS if name == "alva" else SECRETS[:3])]


@pytest.mark.parametrize(("name", "secret"), CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("language", ["node", "python"])
def test_a_secret_is_taken_as_it_is(language: str, name: str, secret: str) -> None:
    with Sample(language, name, secret) as sample:
        assert posted(sample, signed(sample)) == 200
        sample.worked_on()
        for piece in sorted(pieces(secret)):
            assert posted(sample, signed(sample, piece)) == 401, piece
        assert sample.idle


@pytest.fixture(scope="module", params=[(a, b) for a in ("node", "python") for b in DIALECTS], ids="-".join)
def sample(request: pytest.FixtureRequest) -> Iterator[Sample]:
    with Sample(*request.param) as running:
        yield running


def forged(sample: Sample, body: bytes) -> dict[str, str]:
    """Signatures of every kind that somebody without the secret can make."""
    digest = hashlib.sha256(body).digest()
    empty = hmac.new(b"", body, hashlib.sha256).digest()
    return {
        "unkeyed hex": digest.hex(),
        "unkeyed base64": base64.b64encode(digest).decode(),
        "empty key hex": empty.hex(),
        "empty key base64": base64.b64encode(empty).decode(),
        "empty key standard": "v1," + base64.b64encode(empty).decode(),
        "no signature standard": "v1,",
        "version only": "v1",
        "asymmetric": "v1a,AAAA",
        "many": " ".join(["v1,AAAA"] * 1000),
        "zeros": "0" * 64,
        "none": "none",
        "null": "null",
        "undefined": "undefined",
        "object": "[object Object]",
        "true": "true",
        "comma": ",",
        "spaces": "   ",
        "latin": "\xe9" * 64,
        "control": "\x01\x02",
        "percent": "%00",
        "prefixed": "sha256=" + digest.hex(),
        "long": "a" * 10_000,
        "prototype": "__proto__",
    }


def test_forged_signatures_of_every_kind_get_401(sample: Sample) -> None:
    request = signed(sample)
    header = sample.dialect.signature_header
    others = [(name, value) for name, value in request.headers if name.lower() != header.lower()]
    for kind, value in forged(sample, request.body).items():
        status = posted(sample, Encoded(request.body, (*others, (header, value))))
        assert status in ({400, 401} if kind == "control" else {401}), kind
    assert sample.idle
    assert posted(sample, request) == 200
    sample.worked_on()


@pytest.mark.parametrize("order", ["forged first", "forged last"])
def test_a_signature_header_that_comes_twice_is_refused_unless_several_are_allowed(sample: Sample, order: str) -> None:
    request = signed(sample)
    header = sample.dialect.signature_header
    right = next(value for name, value in request.headers if name.lower() == header.lower())
    others = [(name, value) for name, value in request.headers if name.lower() != header.lower()]
    pair = [(header, "forged"), (header, right)]
    twice = Encoded(request.body, (*others, *(pair if order == "forged first" else reversed(pair))))
    status = posted(sample, twice)
    if sample.is_standard and status == 200:  # one that fits is enough
        sample.worked_on()
        return
    assert status in {400, 401}
    assert sample.idle


def test_a_key_that_decodes_to_nothing_verifies_nothing() -> None:
    for language in ("node", "python"):
        with Sample(language, "standard", "whsec_") as sample:
            body, moment = b"{}", int(time.time())
            mac = base64.b64encode(hmac.new(b"", f"m.{moment}.".encode() + body, hashlib.sha256).digest()).decode()
            head = (
                f"webhook-id: m\r\nwebhook-timestamp: {moment}\r\nwebhook-signature: v1,{mac}\r\nContent-Length: 2\r\n"
            )
            assert raw(sample, head, body)[0] == 401


@pytest.mark.parametrize(
    "length",
    [
        "-1", "-0", "-99999999999999999999", "+5", "5.0", "1e3", "0x10", "abc", "5 5", "5,5", "5, 6", "", "\xb2",
        "99999999999999999999999999", "9223372036854775808", "18446744073709551616", "1073741824", "1048577", "NaN",
        "Infinity", "null", "5;q=1",
    ],
)  # fmt: skip
def test_an_odd_length_is_answered_at_once(sample: Sample, length: str) -> None:
    status, seconds = raw(sample, f"Content-Length: {length}\r\n", b"{}")
    assert status in {400, 413}
    assert seconds < 1.5
    request = signed(sample)
    assert posted(sample, request) == 200  # it goes on
    sample.worked_on()


@pytest.mark.parametrize("pair", [("2", "2"), ("2", "3"), ("2", "-1"), ("0", "2"), ("2", "")])
def test_a_length_that_comes_twice_is_answered_at_once(sample: Sample, pair: tuple[str, str]) -> None:
    status, seconds = raw(sample, "".join(f"Content-Length: {each}\r\n" for each in pair), b"{}")
    assert status == 400
    assert seconds < 1.5


def test_a_length_beside_chunks_is_refused(sample: Sample) -> None:
    head = "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"
    assert raw(sample, head, b"2\r\n{}\r\n0\r\n\r\n")[0] == 400


def test_no_smuggled_request_follows_a_refused_one(sample: Sample) -> None:
    second = signed(sample)
    inner = f"POST / HTTP/1.1\r\nHost: x\r\n{lines(second)}Content-Length: {len(second.body)}\r\n\r\n".encode()
    assert raw(sample, "Content-Length: -5\r\n", inner + second.body)[0] == 400
    assert sample.idle


def test_an_unsigned_id_and_event_may_be_missing_but_crash_nothing(sample: Sample) -> None:
    for missing in ("webhook-id", "webhook-event", "webhook-timestamp", "content-type", "user-agent"):
        request = signed(sample)
        kept = tuple(header for header in request.headers if header[0].lower() != missing)
        assert posted(sample, Encoded(request.body, kept)) in {200, 400, 401}
    request = signed(sample, event_id="evt_after")
    assert posted(sample, request) == 200
    while json.dumps(sample.worked_on()).find("evt_after") < 0:
        pass


def test_every_printable_character_is_among_the_secrets() -> None:
    assert set(PRINTABLE) == set(string.printable) - set("\t\n\r\x0b\x0c")
