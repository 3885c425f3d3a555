"""Shopery: the resource itself is the body, and the endpoint's secret itself is sent in `X-Shopery-Secret`."""

from collections.abc import Sequence

from deliveries.dialects import base
from deliveries.dialects.base import Dialect, Encoded, Message
from deliveries.retries.policy import DEFAULT_POLICY

SIGNATURE_HEADER = "X-Shopery-Secret"


def sign(_body: bytes, secret: str) -> str:
    """Return the secret: the document has receivers compare it, nothing is computed from the body."""
    return secret


def encode(message: Message, secrets: Sequence[str]) -> Encoded:
    """Return the request; see `Dialect.encode`."""
    body = message.data.encode()
    return base.request(message, body, (SIGNATURE_HEADER, sign(body, base.oldest(secrets))))


DIALECT = Dialect(
    name="shopery",
    label="Shopery",
    document="Shopery: Webhooks overview",
    signature_header=SIGNATURE_HEADER,
    timeout=5.0,
    connect_timeout=1.0,
    default_policy=DEFAULT_POLICY,
    secret_format=base.TEXT_SECRET_FORMAT,
    encode=encode,
    check_secret=base.check_text_secret,
    make_secret=base.make_text_secret,
    sends_secret=True,
)
