"""Receivers accept what the dialects send, and say what differs when it does not fit."""

import hashlib
import hmac
import re
import subprocess
import sys
from email.message import Message as HttpHeaders
from pathlib import Path
from typing import Any

import pytest

import merchant_webhooks
from deliveries import dialects
from deliveries.dialects.base import BodyStyle, Encoded
from merchant_webhooks import DIALECTS, SignatureError, verify
from merchant_webhooks.verification import TOLERANCE
from tests.support.receivers.samples import message

SENT_AT = message().sent_at.timestamp()
SECRETS = dict.fromkeys(dialects.NAMES, "the right secret") | {
    "standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
OTHERS = dict.fromkeys(dialects.NAMES, "some other secret") | {
    "standard": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
}
KEYED = [name for name in dialects.NAMES if name not in {"shopery", "standard"}]
HARD = [
    "two words here",
    "\"quoted\", and 'single'",
    "Schlüssel mit Umlaut",
    "ключ 🔑 鍵",
    " at both ends ",
    "tab\there",
]
"""Secrets that a shell, a header or a split would cut. Webhooks have printable ASCII; other senders may not."""


def sent(name: str, style: BodyStyle = "compact", secret: str = "") -> Encoded:
    return dialects.get(name).encode(message(body_style=style), [secret or SECRETS[name]])


def check(name: str, encoded: Encoded, body: bytes | None = None, secret: str = "", now: float = SENT_AT) -> None:
    assert verify(dict(encoded.headers), encoded.body if body is None else body, secret or SECRETS[name], name, now=now)


def test_every_dialect_has_a_verifier() -> None:
    assert set(DIALECTS) == set(dialects.NAMES)


@pytest.mark.parametrize("name", dialects.NAMES)
def test_what_a_dialect_sends_verifies(name: str) -> None:
    check(name, sent(name))
    with pytest.raises(SignatureError):
        check(name, sent(name), secret=OTHERS[name])


def test_alvas_python_style_verifies() -> None:
    check("alva", sent("alva", "python"))


@pytest.mark.parametrize("secret", HARD)
@pytest.mark.parametrize("name", KEYED)
def test_a_secret_is_taken_as_it_is_and_no_piece_of_it_will_do(name: str, secret: str) -> None:
    check(name, sent(name, secret=secret), secret=secret)
    for piece in {*secret.split(), secret.strip(), secret[:-1], secret + " ", secret.strip("\"'")} - {secret}:
        with pytest.raises(SignatureError):
            check(name, sent(name, secret=piece), secret=secret)


@pytest.mark.parametrize("secret", [*HARD[:2], "trailing-backslash\\", "$HOME `id`"])
def test_shoperys_secret_is_taken_as_it_is(secret: str) -> None:
    check("shopery", sent("shopery", secret=secret), secret=secret)
    for piece in {*secret.split(), secret[:-1]} - {secret}:
        with pytest.raises(SignatureError):
            check("shopery", sent("shopery", secret=piece), secret=secret)


def headers_in_each_form(encoded: Encoded) -> list[Any]:
    parsed = HttpHeaders()
    for name, value in encoded.headers:
        parsed[name] = value
    shouted = {name.upper(): value for name, value in encoded.headers}
    return [dict(encoded.headers), list(encoded.headers), iter(encoded.headers), shouted, parsed]


@pytest.mark.parametrize("name", dialects.NAMES)
def test_headers_come_as_a_mapping_or_pairs_and_the_body_as_bytes_or_its_text(name: str) -> None:
    encoded = sent(name)
    for headers in headers_in_each_form(encoded):
        assert verify(headers, encoded.body, SECRETS[name], name, now=SENT_AT) is True
    for body in (encoded.body.decode(), bytearray(encoded.body), memoryview(encoded.body)):
        assert verify(encoded.headers, body, SECRETS[name], name, now=SENT_AT)


@pytest.mark.parametrize("name", dialects.NAMES)
def test_while_a_secret_is_being_rotated_either_may_fit(name: str) -> None:
    encoded = sent(name)
    for secrets in ([SECRETS[name], OTHERS[name]], [OTHERS[name], SECRETS[name]], ["", None, SECRETS[name]]):
        assert verify(encoded.headers, encoded.body, secrets, name, now=SENT_AT)
    with pytest.raises(SignatureError):
        verify(encoded.headers, encoded.body, [OTHERS[name], OTHERS[name] + "MfKQ"], name, now=SENT_AT)


@pytest.mark.parametrize("name", dialects.NAMES)
@pytest.mark.parametrize("none", ["", [], [""], [None, ""]])
def test_without_a_secret_nothing_verifies_and_the_receiver_is_told(name: str, none: Any) -> None:
    forged = hmac.new(b"", b"{}", hashlib.sha256).hexdigest()
    with pytest.raises(ValueError, match="no secret") as refusal:
        verify({"X-Litestore-Signature": forged, "X-Shopery-Secret": ""}, b"{}", none, name)
    assert not isinstance(refusal.value, SignatureError), "401 would hide a mistake of the receiver's own"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!", "no base64 at all", "whsec_Ä"])
def test_a_secret_of_standard_that_is_none_verifies_nothing(secret: str) -> None:
    with pytest.raises(SignatureError, match="not whsec_ and base64"):
        check("standard", sent("standard"), secret=secret)


@pytest.mark.parametrize("body", [{"event": "x"}, None, ["a"], 7])
def test_a_body_that_was_parsed_is_said(body: Any) -> None:
    with pytest.raises(TypeError, match="raw bytes"):
        verify({}, body, "the right secret", "alva")


@pytest.mark.parametrize("name", dialects.NAMES)
@pytest.mark.parametrize("value", ["\udcff", "é" * 64, "\x00", "v1,", "v1,é", " "])
def test_odd_characters_in_a_signature_are_refused_like_any_other(name: str, value: str) -> None:
    encoded = sent(name)
    header = dialects.get(name).signature_header
    with pytest.raises(SignatureError):
        verify(dict(encoded.headers) | {header: value}, encoded.body, SECRETS[name], name, now=SENT_AT)


def test_the_file_works_by_itself_wherever_it_is_copied_to(tmp_path: Path) -> None:
    source = Path(merchant_webhooks.__file__).with_name("verification.py")
    (tmp_path / "copied.py").write_bytes(source.read_bytes())
    code = "import copied, sys; assert not {'django', 'requests'} & sys.modules.keys(); print(copied.DIALECTS)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "litestore" in done.stdout


@pytest.mark.parametrize("name", ["alva", "litestore", "cryptlex", "standard"])
def test_a_changed_body_does_not_verify(name: str) -> None:
    encoded = sent(name)
    with pytest.raises(SignatureError, match="under this secret"):
        check(name, encoded, body=encoded.body.replace(b"25.5", b"25.6"))


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_missing_or_doubled_header_does_not_verify(name: str) -> None:
    encoded = sent(name)
    header = dialects.get(name).signature_header
    without = {key: value for key, value in encoded.headers if key != header}
    with pytest.raises(SignatureError, match=f"{header} must be sent once, but came 0 times"):
        verify(without, encoded.body, SECRETS[name], name, now=SENT_AT)
    doubled = dict(encoded.headers) | {header.swapcase(): "x"}
    with pytest.raises(SignatureError, match="must be sent once, but came 2 times"):
        verify(doubled, encoded.body, SECRETS[name], name, now=SENT_AT)


@pytest.mark.parametrize("name", ["alva", "litestore"])
@pytest.mark.parametrize("value", ["", "ab" * 31, "AB" * 32, "ab" * 33, "ab" * 32 + ", " + "ab" * 32])
def test_a_signature_that_makes_the_node_samples_throw_does_not_verify(name: str, value: str) -> None:
    encoded = sent(name)
    header = dialects.get(name).signature_header
    with pytest.raises(SignatureError, match="is not 64 lowercase hex digits"):
        verify(dict(encoded.headers) | {header: value}, encoded.body, SECRETS[name], name)


def test_alvas_field_is_checked_by_itself() -> None:
    encoded = sent("alva")
    field = re.search(rb'[0-9a-f]{64}"}$', encoded.body)
    assert field is not None
    forged = encoded.body[: field.start()] + b"0" * 64 + b'"}'
    unsigned = encoded.body[: field.start() - len(b',"signature":"')] + b"}"
    for body, complaint in (
        (forged, "signature field is 000000000000… but should be"),
        (unsigned, "does not end with"),
    ):
        mac = hmac.new(SECRETS["alva"].encode(), body, hashlib.sha256).hexdigest()  # the header alone would pass
        with pytest.raises(SignatureError, match=complaint):
            verify({"X-Alva-HMAC-SHA256": mac}, body, SECRETS["alva"], "alva")


@pytest.mark.parametrize("skew", [TOLERANCE + 2, -TOLERANCE - 2])
def test_a_stale_timestamp_does_not_verify_under_standard(skew: int) -> None:
    check("standard", sent("standard"), now=SENT_AT + TOLERANCE - 2)
    with pytest.raises(SignatureError, match=r"webhook-timestamp lies -?30[0-9] s from now"):
        check("standard", sent("standard"), now=SENT_AT + skew)


def test_an_error_never_shows_a_secret() -> None:
    for name in dialects.NAMES:
        with pytest.raises(SignatureError) as refusal:
            check(name, sent(name), secret=OTHERS[name])
        assert SECRETS[name] not in str(refusal.value)
        assert OTHERS[name] not in str(refusal.value)


@pytest.mark.parametrize("name", ["stripe", "", "Alva"])
def test_an_unknown_dialect_is_said_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="there are alva, litestore"):
        verify({}, b"", "the right secret", name)
