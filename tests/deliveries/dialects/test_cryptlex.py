"""Cryptlex's bytes. Digests here come from `openssl dgst`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from deliveries.dialects import get
from tests.support.receivers.node import NodeScript
from tests.support.receivers.samples import COMMON_HEADERS, DATA, message, node_says

SECRET = "cryptlex-token"
cryptlex = get("cryptlex")


@pytest.fixture(scope="module")
def node() -> Iterator[NodeScript]:
    with NodeScript("verify.js") as script:
        yield script


def test_the_body_and_headers_are_these_bytes() -> None:
    encoded = cryptlex.encode(message(), [SECRET])
    assert encoded.body.decode() == (
        f'{{"event":"order.created","data":{DATA},"triggeredAt":"2024-01-15T15:30:00.1234560Z"}}'
    )
    assert encoded.headers == (
        ("Content-Type", "application/json; charset=utf-8"),
        ("User-Agent", "Merchant-Webhooks/1.0"),
        ("Webhook-Signature", "n/QgXDHngGac+Qd8rsZPJxL36x7MKD2rlT8k6xNTg9o="),
        *COMMON_HEADERS,
    )


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2018, 4, 20, 13, 11, 34, tzinfo=UTC), "2018-04-20T13:11:34.0000000Z"),
        (
            datetime(2018, 4, 20, 15, 11, 34, 692694, tzinfo=timezone(timedelta(hours=2))),
            "2018-04-20T13:11:34.6926940Z",
        ),
    ],
)
def test_the_time_has_seven_digits(moment: datetime, written: str) -> None:
    body = cryptlex.encode(message(occurred_at=moment), [SECRET]).body
    assert body.endswith(f',"triggeredAt":"{written}"}}'.encode())


def test_nodes_crypto_accepts_it(node: NodeScript) -> None:
    encoded = cryptlex.encode(message(), [SECRET])
    assert node_says(node, "cryptlex", encoded, SECRET) is True
    assert node_says(node, "cryptlex", encoded, SECRET + "x") is False
