"""Cryptlex: `{event, data, triggeredAt}`, base64 HMAC-SHA256 of the body in `Webhook-Signature`."""

import base64
import hmac
from collections.abc import Sequence

from deliveries.dialects import base
from deliveries.dialects.base import Dialect, Encoded, Message
from deliveries.retries.policy import DEFAULT_POLICY

SIGNATURE_HEADER = "Webhook-Signature"
CONTENT_TYPE = "application/json; charset=utf-8"


def sign(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of the raw body under the secret's ("Token's") UTF-8 bytes, base64."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def encode(message: Message, secrets: Sequence[str]) -> Encoded:
    """Return the request; see `Dialect.encode`."""
    body = (
        f'{{"event":{base.quote(message.event)},"data":{message.data}'
        f',"triggeredAt":"{base.iso_ticks(message.occurred_at)}"}}'
    ).encode()
    return base.request(message, body, (SIGNATURE_HEADER, sign(body, base.oldest(secrets))), content_type=CONTENT_TYPE)


DIALECT = Dialect(
    name="cryptlex",
    label="Cryptlex",
    document="Cryptlex: Webhooks",
    signature_header=SIGNATURE_HEADER,
    timeout=10.0,
    default_policy=DEFAULT_POLICY,
    secret_format=base.TEXT_SECRET_FORMAT,
    encode=encode,
    check_secret=base.check_text_secret,
    make_secret=base.make_text_secret,
)
