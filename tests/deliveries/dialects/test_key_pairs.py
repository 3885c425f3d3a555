"""Ed25519 signatures of the standard dialect: the bytes, the keys, and that anybody's verifier takes them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deliveries import dialects
from deliveries.dialects import Message, key_pairs, standard
from merchant_webhooks.verification import SignatureError, verify

SEED = bytes(range(32))
PRIVATE = (
    "whsk_"
    + base64.b64encode(SEED + Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()).decode()
)
PUBLIC = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
SENT_AT = datetime(2024, 1, 15, 15, 30, tzinfo=UTC)


def message() -> Message:
    return Message(
        event_id="evt_1", event="order.created", occurred_at=SENT_AT, data='{"n":1}', shop="", api_version="",
        attempt=1, sent_at=SENT_AT,
    )  # fmt: skip


def encoded(*secrets: str):
    return standard.encode(message(), secrets)


def test_the_public_key_and_the_signature_are_these_bytes() -> None:
    assert key_pairs.public_key_of(PRIVATE) == PUBLIC
    sent = encoded(PRIVATE)
    signature = dict(sent.headers)["webhook-signature"]
    wanted = Ed25519PrivateKey.from_private_bytes(SEED).sign(b"evt_1.1705332600." + sent.body)
    assert signature == "v1a," + base64.b64encode(wanted).decode()
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC.removeprefix("whpk_")))
    public.verify(base64.b64decode(signature.removeprefix("v1a,")), b"evt_1.1705332600." + sent.body)


def test_a_seed_alone_signs_as_the_pair_does() -> None:
    seed = "whsk_" + base64.b64encode(SEED).decode()
    assert key_pairs.public_key_of(seed) == PUBLIC
    assert encoded(seed) == encoded(PRIVATE)


def test_a_shared_secret_and_a_pair_sign_side_by_side() -> None:
    sent = encoded(SHARED, PRIVATE)
    kinds = [each.partition(",")[0] for each in dict(sent.headers)["webhook-signature"].split(" ")]
    assert kinds == ["v1", "v1a"]
    for key in (SHARED, PUBLIC):
        verify(dict(sent.headers), sent.body, key, now=SENT_AT.timestamp())


def test_what_was_changed_or_signed_by_another_key_does_not_verify() -> None:
    sent = encoded(PRIVATE)
    other = key_pairs.public_key_of(key_pairs.make())
    for headers, body, key in (
        (dict(sent.headers), sent.body + b" ", PUBLIC),
        (dict(sent.headers) | {"webhook-id": "evt_2"}, sent.body, PUBLIC),
        (dict(sent.headers), sent.body, other),
        (dict(encoded(SHARED).headers), sent.body, PUBLIC),
        (dict(sent.headers) | {"webhook-signature": "v1a,AAAA v1a, v1a,!"}, sent.body, PUBLIC),
    ):
        with pytest.raises(SignatureError, match="v1a"):
            verify(headers, body, key, now=SENT_AT.timestamp())
    with pytest.raises(SignatureError, match="whpk_"):
        verify(dict(sent.headers), sent.body, "whpk_AAAA", now=SENT_AT.timestamp())


def test_every_pair_that_is_made_is_another_and_fits() -> None:
    made = {key_pairs.make() for _ in range(20)}
    assert len(made) == len({key_pairs.public_key_of(secret) for secret in made}) == 20
    for secret in made:
        standard.check_secret(secret)
        assert len(base64.b64decode(secret.removeprefix("whsk_"))) == 64


@pytest.mark.parametrize(
    "wrong",
    ["whsk_", "whsk_AAAA", "whsk_" + "A" * 88, "whsk_not base64", PRIVATE + "AAAA",
     "whsk_" + base64.b64encode(SEED + bytes(32)).decode()],
)  # fmt: skip
def test_what_is_no_private_key_is_refused_with_the_fix(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"base64 of an Ed25519 key|second half"):
        standard.check_secret(wrong)


@pytest.mark.parametrize("dialect", [name for name in dialects.NAMES if name != "standard"])
def test_no_other_dialect_takes_a_private_key_for_a_shared_secret(dialect: str) -> None:
    with pytest.raises(ValueError, match="private key of a pair"):
        dialects.get(dialect).check_secret(PRIVATE)
