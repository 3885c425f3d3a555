"""Our own receivers accept what the dialects send, and say what differs when it does not fit."""

import hashlib
import hmac
import re

import pytest

from deliveries import dialects
from deliveries.dialects.base import BodyStyle, Encoded
from deliveries.dialects.verification import TOLERANCE, VERIFIERS, SignatureError, verify
from tests.support.receivers.samples import message

SENT_AT = message().sent_at.timestamp()
SECRETS = dict.fromkeys(dialects.NAMES, "the right secret") | {
    "standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
OTHERS = dict.fromkeys(dialects.NAMES, "some other secret") | {
    "standard": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
}


def sent(name: str, style: BodyStyle = "compact") -> Encoded:
    return dialects.get(name).encode(message(body_style=style), [SECRETS[name]])


def check(name: str, encoded: Encoded, body: bytes | None = None, secret: str = "", now: float = SENT_AT) -> None:
    verify(name, dict(encoded.headers), encoded.body if body is None else body, secret or SECRETS[name], now=now)


def test_every_dialect_has_a_verifier() -> None:
    assert set(VERIFIERS) == set(dialects.NAMES)


@pytest.mark.parametrize("name", dialects.NAMES)
def test_what_a_dialect_sends_verifies(name: str) -> None:
    check(name, sent(name))
    with pytest.raises(SignatureError):
        check(name, sent(name), secret=OTHERS[name])


def test_alvas_python_style_verifies() -> None:
    check("alva", sent("alva", "python"))


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
        verify(name, without, encoded.body, SECRETS[name], now=SENT_AT)
    doubled = dict(encoded.headers) | {header.swapcase(): "x"}
    with pytest.raises(SignatureError, match="must be sent once, but came 2 times"):
        verify(name, doubled, encoded.body, SECRETS[name], now=SENT_AT)


@pytest.mark.parametrize("name", ["alva", "litestore"])
@pytest.mark.parametrize("value", ["", "ab" * 31, "AB" * 32, "ab" * 33, "ab" * 32 + ", " + "ab" * 32])
def test_a_signature_that_makes_the_node_samples_throw_does_not_verify(name: str, value: str) -> None:
    encoded = sent(name)
    header = dialects.get(name).signature_header
    with pytest.raises(SignatureError, match="is not 64 lowercase hex digits"):
        verify(name, dict(encoded.headers) | {header: value}, encoded.body, SECRETS[name])


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
            verify("alva", {"X-Alva-HMAC-SHA256": mac}, body, SECRETS["alva"])


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


def test_an_unknown_dialect_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        verify("stripe", {}, b"", "the right secret")
