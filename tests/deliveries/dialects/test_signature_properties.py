"""Signatures over whatever merchants publish: receivers of every dialect accept what is sent, and nothing else."""

from __future__ import annotations

import base64
import string
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from deliveries import dialects
from deliveries.dialects.base import Encoded
from deliveries.payloads.canonical_json import canonical_object
from merchant_webhooks import SignatureError, verify
from tests.support.json_strategies import documents, lively
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import as_received, message, node_says

WAYS = {"standard": "standard", "alva": "alva raw", "litestore": "litestore raw", "cryptlex": "cryptlex"}
"""Dialects that sign the body, and the way of tests/receivers/verify.js that verifies it raw."""
SENT_AT = message().sent_at.timestamp()

some = settings(lively, max_examples=80)

printable = string.ascii_letters + string.digits + string.punctuation + " "
text_secrets = st.text(printable, min_size=12, max_size=60).filter(lambda text: text == text.strip())
keys = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + base64.b64encode(key).decode())
event_ids = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("verify.js") as script:
        yield script


def padded(secret: str) -> bytes:
    """Return the key as HMAC uses it: zeros at its end make no difference (RFC 2104)."""
    text = secret.removeprefix("whsec_")
    return (base64.b64decode(text) if text != secret else secret.encode()).ljust(64, b"\0")


def secrets_of(name: str) -> st.SearchStrategy[str]:
    return keys if name == "standard" else text_secrets


@pytest.mark.parametrize("name", dialects.NAMES)
@some
@given(data=st.data(), text=documents, event_id=event_ids, occurred_at=moments)
def test_whatever_is_sent_verifies_under_its_secret_and_under_no_other(
    name: str, data: st.DataObject, text: str, event_id: str, occurred_at: datetime
) -> None:
    secret, other = data.draw(st.lists(secrets_of(name), min_size=2, max_size=2, unique_by=padded))
    encoded = encode(name, [secret], text, event_id=event_id, occurred_at=occurred_at)
    check(name, encoded, encoded.body, secret)
    with pytest.raises(SignatureError):
        check(name, encoded, encoded.body, other)


@pytest.mark.parametrize("name", WAYS)
@some
@given(data=st.data(), text=documents)
def test_one_changed_byte_anywhere_in_the_body_is_noticed(name: str, data: st.DataObject, text: str) -> None:
    secret = data.draw(secrets_of(name))
    encoded = encode(name, [secret], text)
    place = data.draw(st.integers(0, len(encoded.body) - 1), label="place")
    flipped = encoded.body[place] ^ data.draw(st.integers(1, 255), label="bits")
    with pytest.raises(SignatureError):
        check(name, encoded, encoded.body[:place] + bytes([flipped]) + encoded.body[place + 1 :], secret)


@pytest.mark.parametrize(("name", "way"), WAYS.items(), ids=WAYS)
@some
@given(data=st.data(), text=documents, event_id=event_ids)
def test_nodes_crypto_accepts_whatever_is_sent(
    node: NodeScript, name: str, way: str, data: st.DataObject, text: str, event_id: str
) -> None:
    secret = data.draw(secrets_of(name))
    assert node_says(node, way, encode(name, [secret], text, event_id=event_id), secret) is True


@some
@given(secrets=st.lists(keys, min_size=1, max_size=3, unique=True), text=documents, event_id=event_ids)
def test_the_specifications_library_accepts_every_active_secret_whatever_is_sent(
    secrets: list[str], text: str, event_id: str
) -> None:
    encoded = encode("standard", secrets, text, event_id=event_id, sent_at=datetime.now(UTC))
    for secret in secrets:
        Webhook(secret).verify(encoded.body, as_received(encoded))


@pytest.mark.parametrize("name", [name for name in dialects.NAMES if name != "standard"])
@some
@given(secrets=st.lists(text_secrets, min_size=2, max_size=3, unique=True), text=documents)
def test_where_the_header_holds_one_signature_it_is_the_oldest_secrets(
    name: str, secrets: list[str], text: str
) -> None:
    assert encode(name, secrets, text) == encode(name, secrets[:1], text)


def encode(name: str, secrets: list[str], text: str, **changes: object) -> Encoded:
    """Encode a message that carries a JSON text, made canonical as publishing does."""
    return dialects.get(name).encode(message(data=canonical_object(f'{{"value":{text}}}'), **changes), secrets)


def check(name: str, encoded: Encoded, body: bytes, secret: str) -> None:
    verify(dict(encoded.headers), body, secret, name, now=SENT_AT)
