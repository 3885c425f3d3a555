"""Standard Webhooks: the bytes, and that the specification's own library accepts them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from deliveries.dialects import get
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import COMMON_HEADERS, DATA, as_received, message, node_says

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OLD_SIGNATURE = "v1,hzKrdy+lRem95l0VD3Cnb6iTz+47DgrYebu7Iup5vIM="  # openssl dgst -mac HMAC -macopt hexkey:…
NEW_SIGNATURE = "v1,ig8xMwavIrQ03JdeZqk5XJHP5+P9fa2/lEJqX6Nlkqc="
standard = get("standard")


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("verify.js") as script:
        yield script


def test_the_body_and_headers_are_these_bytes() -> None:
    encoded = standard.encode(message(), [OLD])
    assert (
        encoded.body.decode() == f'{{"type":"order.created","timestamp":"2024-01-15T15:30:00.123456Z","data":{DATA}}}'
    )
    assert encoded.headers == (
        ("Content-Type", "application/json"),
        ("User-Agent", "Merchant-Webhooks/1.0"),
        ("webhook-signature", OLD_SIGNATURE),
        *COMMON_HEADERS,
    )


def test_during_a_rotation_both_secrets_sign() -> None:
    encoded = standard.encode(message(), [OLD, NEW])
    assert as_received(encoded)["webhook-signature"] == f"{OLD_SIGNATURE} {NEW_SIGNATURE}"


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_the_specifications_library_accepts_either_secret_during_a_rotation(secret: str) -> None:
    encoded = standard.encode(message(sent_at=datetime.now(UTC)), [OLD, NEW])
    event = Webhook(secret).verify(encoded.body, as_received(encoded))
    assert event["data"]["order"]["note"] == "Grüße 😀 </script>"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(encoded.body + b" ", as_received(encoded))


def test_the_specifications_library_refuses_a_secret_that_does_not_sign() -> None:
    encoded = standard.encode(message(sent_at=datetime.now(UTC)), [OLD])
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(encoded.body, as_received(encoded))


def test_nodes_crypto_accepts_it(node: NodeScript) -> None:
    encoded = standard.encode(message(), [OLD, NEW])
    assert node_says(node, "standard", encoded, OLD) is True
    assert node_says(node, "standard", encoded, NEW) is True
    assert node_says(node, "standard", encoded, OLD.lower()) is False


def test_a_made_secret_works_with_the_specifications_library() -> None:
    secret = standard.make_secret()
    standard.check_secret(secret)
    encoded = standard.encode(message(sent_at=datetime.now(UTC)), [secret])
    assert Webhook(secret).verify(encoded.body, as_received(encoded))


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "must be whsec_ and base64"),
        ("whsec_", "holds a key of 0 bytes; use 24 to 64"),
        ("whsec_c2hvcnQ=", "holds a key of 5 bytes"),
        ("whsec_" + "A" * 88, "holds a key of 66 bytes"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "is not base64 with its padding"),
        ("whsec_MfKQ9r8GKYqr-wjUPD8ILPZIo2LaLaSw", "is not base64"),
        ("whsec_ä", "is not base64"),
    ],
)
def test_a_secret_outside_the_specification_is_refused(secret: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        standard.check_secret(secret)


def test_its_policy_waits_up_to_a_day_with_jitter() -> None:
    hours = [round(delay / 3600, 4) for delay in standard.default_policy.timetable()]
    assert hours == [0.0014, 0.0833, 0.5, 2, 5, 10, 14, 20, 24]
    assert standard.default_policy.jitter > 0
    assert standard.timeout == 15
