"""What all dialects have in common."""

from datetime import datetime

import pytest

from deliveries import dialects
from deliveries.recording.decisions import RetryPolicy
from tests.support.receivers.samples import as_received, message

SIGNATURE_NAMES = {
    "standard": "webhook-signature",
    "alva": "X-Alva-HMAC-SHA256",
    "litestore": "X-Litestore-Signature",
    "cryptlex": "Webhook-Signature",
    "shopery": "X-Shopery-Secret",
}


def test_there_are_five_dialects_with_labels() -> None:
    assert set(dialects.NAMES) == set(SIGNATURE_NAMES)
    assert ("litestore", "Litestore") in dialects.CHOICES
    assert [name for name, _ in dialects.CHOICES] == list(dialects.NAMES)


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="dialect: 'stripe' is not known; choose one of standard, alva, litestore"):
        dialects.get("stripe")


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_dialect_sends_only_its_own_signature(name: str) -> None:
    dialect = dialects.get(name)
    headers = as_received(dialect.encode(message(), [dialect.make_secret()]))
    others = {other.lower() for other in SIGNATURE_NAMES.values()} - {SIGNATURE_NAMES[name].lower()}
    assert dialect.signature_header == SIGNATURE_NAMES[name]
    assert dialect.signature_header.lower() in headers
    assert not others & set(headers)


@pytest.mark.parametrize("name", dialects.NAMES)
def test_attempts_differ_in_number_and_time_but_not_in_body_or_id(name: str) -> None:
    dialect = dialects.get(name)
    secret = dialect.make_secret()
    first = dialect.encode(message(attempt=1), [secret])
    second = dialect.encode(message(attempt=2, sent_at=datetime.fromisoformat("2024-01-15T15:30:30Z")), [secret])
    assert first.body == second.body
    differing = {name for name, value in as_received(first).items() if as_received(second)[name] != value}
    assert differing - {"webhook-signature"} == {"webhook-attempt", "webhook-timestamp"}
    assert ("webhook-signature" in differing) == (name == "standard")


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_test_is_marked_in_a_header_and_not_in_the_body(name: str) -> None:
    dialect = dialects.get(name)
    secret = dialect.make_secret()
    test = dialect.encode(message(test=True), [secret])
    real = dialect.encode(message(), [secret])
    assert test.body == real.body
    assert test.headers == (*real.headers, ("webhook-test", "true"))


@pytest.mark.parametrize("name", dialects.NAMES)
def test_what_cannot_be_encoded_is_refused(name: str) -> None:
    dialect = dialects.get(name)
    secret = dialect.make_secret()
    with pytest.raises(ValueError, match="no active secret"):
        dialect.encode(message(), [])
    with pytest.raises(ValueError, match="must be aware"):
        dialect.encode(message(occurred_at=datetime(2024, 1, 15)), [secret])
    for bad in ("order\r\ncreated", "örder", "", " order"):
        with pytest.raises(ValueError, match="event name: only printable ASCII"):
            dialect.encode(message(event=bad), [secret])


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_made_secret_is_long_random_and_accepted(name: str) -> None:
    dialect = dialects.get(name)
    one, two = dialect.make_secret(), dialect.make_secret()
    dialect.check_secret(one)
    assert one != two
    assert len(one) >= 43


@pytest.mark.parametrize("name", [name for name in dialects.NAMES if name != "standard"])
@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("elevenchars", "has 11 characters; use 12 to 256"),
        ("x" * 257, "has 257 characters"),
        ("", "has 0 characters"),
        (" padded-secret", "starts or ends with a space"),
        ("padded-secret ", "starts or ends with a space"),
        ("geheim-für-immer", "only printable ASCII"),
        ("line\nbreak-secret", "only printable ASCII"),
    ],
)
def test_a_secret_that_cannot_be_typed_or_sent_is_refused(name: str, secret: str, complaint: str) -> None:
    dialects.get(name).check_secret("twelve chars")
    with pytest.raises(ValueError, match=complaint):
        dialects.get(name).check_secret(secret)


@pytest.mark.parametrize("name", dialects.NAMES)
def test_default_policies_survive_their_json_form(name: str) -> None:
    policy = dialects.get(name).default_policy
    assert RetryPolicy.from_dict(policy.to_dict()) == policy


def test_only_alva_knows_the_python_style() -> None:
    assert [name for name in dialects.NAMES if "python" in dialects.get(name).body_styles] == ["alva"]
