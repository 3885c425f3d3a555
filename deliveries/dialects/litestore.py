"""Litestore: `{event, id, timestamp, data}`, hex HMAC-SHA256 of the body in `X-Litestore-Signature`."""

import hmac
from collections.abc import Sequence

from deliveries.dialects import base
from deliveries.dialects.base import Dialect, Encoded, Message
from deliveries.retries.policy import Backoff, RetryPolicy

SIGNATURE_HEADER = "X-Litestore-Signature"
USER_AGENT = "Litestore-Webhook/1.0"


def sign(body: bytes, secret: str) -> str:
    """HMAC-SHA256 of the raw body under the secret's UTF-8 bytes, lowercase hex."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def encode(message: Message, secrets: Sequence[str]) -> Encoded:
    """Return the request; see `Dialect.encode`."""
    body = (
        f'{{"event":{base.quote(message.event)},"id":{base.quote(message.event_id)}'
        f',"timestamp":"{base.iso_seconds(message.occurred_at)}","data":{message.data}}}'
    ).encode()
    return base.request(message, body, (SIGNATURE_HEADER, sign(body, base.oldest(secrets))), user_agent=USER_AGENT)


DIALECT = Dialect(
    name="litestore",
    label="Litestore",
    document="Litestore: Webhooks",
    signature_header=SIGNATURE_HEADER,
    timeout=10.0,
    default_policy=RetryPolicy.from_backoff(Backoff()),
    secret_format=base.TEXT_SECRET_FORMAT,
    encode=encode,
    check_secret=base.check_text_secret,
    make_secret=base.make_text_secret,
)
