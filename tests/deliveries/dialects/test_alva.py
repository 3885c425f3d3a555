"""Alva's bytes, and that the document's own samples accept them. Digests here come from `openssl dgst`."""

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliveries.dialects import get
from deliveries.payloads.canonical_json import dump
from tests.support.receivers.alva_sample import verify_raw_body, verify_webhook
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import COMMON_HEADERS, DATA, as_received, message, node_says

SECRET = "alva-secret-0123"
FIELD = "bfafe78972b0c4ecb5f4959cc8e21d233c173bb353e2e0201932ac551d765faf"
HEADER = "431bde7a6222b52cb3ed9ba2ebcaee0a6fb2b2513cddb2573860f51aeb72889d"
alva = get("alva")


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("verify.js") as script:
        yield script


def test_the_body_and_headers_are_these_bytes() -> None:
    encoded = alva.encode(message(), [SECRET])
    assert encoded.body.decode() == (
        '{"event":"order.created","timestamp":"2024-01-15T15:30:00Z","shop":"yourshop.myshopify.com",'
        f'"api_version":"2024-01","data":{DATA},"signature":"{FIELD}"}}'
    )
    assert encoded.headers == (
        ("Content-Type", "application/json"),
        ("User-Agent", "Merchant-Webhooks/1.0"),
        ("X-Alva-HMAC-SHA256", HEADER),
        *COMMON_HEADERS,
    )


def test_the_python_style_is_what_json_dumps_writes() -> None:
    encoded = alva.encode(message(body_style="python"), [SECRET])
    assert encoded.body == (
        b'{"event": "order.created", "timestamp": "2024-01-15T15:30:00Z", "shop": "yourshop.myshopify.com", '
        b'"api_version": "2024-01", "data": {"order": {"id": "1045", "total": 25.5, '
        rb'"note": "Gr\u00fc\u00dfe \ud83d\ude00 </script>", "rate": 1e-07}}, '
        b'"signature": "ca6a04faab83d6183b06f86a875fab2de53d00cea188ecbb098779bebb168f54"}'
    )
    header = "6b404328513611aea3b728eb9d5d8c7774b1e42508fbfbb584e898ff65a6a577"
    assert as_received(encoded)["x-alva-hmac-sha256"] == header


def test_names_are_escaped_in_the_body() -> None:
    encoded = alva.encode(message(shop='ü"\\\u2028\n', api_version='"'), [SECRET])
    body = encoded.body.decode()
    assert '"shop":"ü\\"\\\\\u2028\\n","api_version":"\\""' in body
    assert json.loads(body)["shop"] == 'ü"\\\u2028\n'


@pytest.mark.parametrize("way", ["alva", "alva raw", "alva field"])
def test_nodes_crypto_accepts_the_compact_body(node: NodeScript, way: str) -> None:
    encoded = alva.encode(message(), [SECRET])
    assert node_says(node, way, encoded, SECRET) is True
    assert node_says(node, way, encoded, SECRET + "x") is False


def test_the_python_way_on_the_raw_body_accepts_both_styles() -> None:
    for style in ("compact", "python"):
        encoded = alva.encode(message(body_style=style), [SECRET])
        signature = as_received(encoded)["x-alva-hmac-sha256"]
        assert verify_raw_body(encoded.body, signature, SECRET)
        assert not verify_raw_body(encoded.body + b" ", signature, SECRET)


def test_the_printed_python_sample_accepts_the_python_style_alone(node: NodeScript) -> None:
    encoded = alva.encode(message(body_style="python"), [SECRET])
    signature = as_received(encoded)["x-alva-hmac-sha256"]
    assert verify_webhook(json.loads(encoded.body), signature, SECRET)
    assert node_says(node, "alva raw", encoded, SECRET) is True
    assert node_says(node, "alva", encoded, SECRET) is False
    compact = alva.encode(message(), [SECRET])
    assert not verify_webhook(json.loads(compact.body), as_received(compact)["x-alva-hmac-sha256"], SECRET)


def test_the_signature_field_of_the_python_style_signs_the_rest_as_python_writes_it() -> None:
    body = json.loads(alva.encode(message(body_style="python"), [SECRET]).body)
    signature = body.pop("signature")
    assert verify_webhook(body, signature, SECRET)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda items: (
        st.lists(items, max_size=4)
        | st.dictionaries(st.integers(0, 20).map(str) | st.sampled_from(["a", "signature", "é"]), items, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(data=st.dictionaries(st.sampled_from(["b", "7", "order", "signature", "0"]), json_values, max_size=4))
def test_whatever_the_data_every_documented_way_accepts_them(node: NodeScript, data: dict[str, object]) -> None:
    text = dump(data)
    compact = alva.encode(message(data=text), [SECRET])
    assert [node_says(node, way, compact, SECRET) for way in ("alva", "alva raw", "alva field")] == [True] * 3
    python = alva.encode(message(data=text, body_style="python"), [SECRET])
    assert verify_webhook(json.loads(python.body), as_received(python)["x-alva-hmac-sha256"], SECRET)


def test_during_a_rotation_the_oldest_secret_signs() -> None:
    encoded = alva.encode(message(), [SECRET, "another-secret-9"])
    assert as_received(encoded)["x-alva-hmac-sha256"] == HEADER


def test_the_secrets_utf8_bytes_are_the_key() -> None:
    encoded = alva.encode(message(), ["geheim-für-später"])
    expected = hmac.new("geheim-für-später".encode(), encoded.body, hashlib.sha256).hexdigest()
    assert as_received(encoded)["x-alva-hmac-sha256"] == expected
