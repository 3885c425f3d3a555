"""Shopery's bytes: the resource alone, and the shared secret in a header."""

from collections.abc import Iterator

import pytest

from deliveries.dialects import get
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import COMMON_HEADERS, DATA, message, node_says

SECRET = "our awesome secret"
shopery = get("shopery")


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("verify.js") as script:
        yield script


def test_the_body_and_headers_are_these_bytes() -> None:
    encoded = shopery.encode(message(), [SECRET, "another-secret-9"])
    assert encoded.body == DATA.encode()
    assert encoded.headers == (
        ("Content-Type", "application/json"),
        ("User-Agent", "Merchant-Webhooks/1.0"),
        ("X-Shopery-Secret", SECRET),
        *COMMON_HEADERS,
    )


def test_a_receiver_finds_the_secret_it_was_given(node: NodeScript) -> None:
    encoded = shopery.encode(message(), [SECRET])
    assert node_says(node, "shopery", encoded, SECRET) is True
    assert node_says(node, "shopery", encoded, "our awesome secreT") is False


def test_a_secret_that_would_break_the_header_is_never_sent() -> None:
    with pytest.raises(ValueError, match="X-Shopery-Secret: only printable ASCII") as refusal:
        shopery.encode(message(), ["evil\r\nX-Injected: 1"])
    assert "evil" not in str(refusal.value)


def test_its_timeouts_are_the_documents() -> None:
    assert (shopery.timeout, shopery.connect_timeout) == (5, 1)
