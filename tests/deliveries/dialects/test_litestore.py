"""Litestore's bytes, and that the document's own sample accepts them. Digests here come from `openssl dgst`."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliveries.dialects import get
from deliveries.payloads.canonical_json import dump
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import COMMON_HEADERS, DATA, EVENT_ID, message, node_says

SECRET = "your-webhook-secret"
litestore = get("litestore")


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("verify.js") as script:
        yield script


def test_the_body_and_headers_are_these_bytes() -> None:
    encoded = litestore.encode(message(), [SECRET, "another-secret-9"])
    assert encoded.body.decode() == (
        f'{{"event":"order.created","id":"{EVENT_ID}","timestamp":"2024-01-15T15:30:00Z","data":{DATA}}}'
    )
    assert encoded.headers == (
        ("Content-Type", "application/json"),
        ("User-Agent", "Litestore-Webhook/1.0"),
        ("X-Litestore-Signature", "b45fa2ac6053599ed0d033407f473ec40fe0989a0f01e528a0bbc4ee99e63ebc"),
        *COMMON_HEADERS,
    )


@pytest.mark.parametrize("way", ["litestore", "litestore raw"])
def test_nodes_crypto_accepts_it(node: NodeScript, way: str) -> None:
    encoded = litestore.encode(message(), [SECRET])
    assert node_says(node, way, encoded, SECRET) is True
    assert node_says(node, way, encoded, SECRET + "x") is False


@settings(deadline=None, max_examples=200)
@given(amount=st.floats(allow_nan=False, allow_infinity=False), key=st.sampled_from(["amount", "7", "é"]))
def test_amounts_survive_the_receivers_own_serialising(node: NodeScript, amount: float, key: str) -> None:
    encoded = litestore.encode(message(data=dump({"z": 1, key: amount})), [SECRET])
    assert node_says(node, "litestore", encoded, SECRET) is True


def test_its_policy_and_timeouts_are_the_documents() -> None:
    assert litestore.default_policy.timetable() == [2, 4, 8, 16]
    assert litestore.default_policy.client_errors_final
    assert litestore.timeout == 10
