"""Standard Webhooks (standardwebhooks.com): `{type, timestamp, data}`, signed as `id.timestamp.body`.

A secret is shared (`whsec_`, HMAC-SHA256, `v1,`) or the private one of a key pair (`whsk_`, Ed25519, `v1a,`).
"""

import base64
import binascii
import hmac
import secrets as random_bytes
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from deliveries.dialects import base, key_pairs
from deliveries.dialects.base import Dialect, Encoded, Message
from deliveries.retries.policy import RetryPolicy

SIGNATURE_HEADER = "webhook-signature"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the public prefix of every secret
MIN_KEY_BYTES: Final = 24
MAX_KEY_BYTES: Final = 64
"""The specification's bounds for a key: 192 to 512 bits."""

_MINUTE, _HOUR = 60.0, 3600.0
POLICY: Final = RetryPolicy(
    delays=(
        5.0,
        5 * _MINUTE,
        30 * _MINUTE,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    ),
    jitter=0.1,
)


def sign(event_id: str, timestamp: int, body: bytes, secret: str) -> str:
    """HMAC-SHA256 of `id.timestamp.body` under the decoded secret: `v1,` and base64; Ed25519's of a private key."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    if key_pairs.is_private(secret):
        return key_pairs.sign(signed, secret)
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode()


def encode(message: Message, secrets: Sequence[str]) -> Encoded:
    """Return the request, signed with every active secret; see `Dialect.encode`."""
    base.oldest(secrets)
    body = (
        message.body
        or f'{{"type":{base.quote(message.event)},"timestamp":"{base.iso(message.occurred_at)}","data":{message.data}}}'
    ).encode()
    timestamp = base.unix_seconds(message.sent_at)
    signatures = " ".join(sign(message.event_id, timestamp, body, secret) for secret in secrets)
    return base.request(message, body, (SIGNATURE_HEADER, signatures))


@lru_cache(maxsize=4096)
def key_of(secret: str) -> bytes:
    """Return the HMAC key in a secret. Raises ValueError with the fix if it is not `whsec_` and base64."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"secret: must be {SECRET_PREFIX} and base64; leave it empty to have one made.")
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            f"secret: what follows {SECRET_PREFIX} is not base64 with its padding; leave it empty to have one made."
        ) from None


def check_secret(secret: str) -> None:
    """Refuse a secret the specification does not allow. Raises ValueError with the fix."""
    if key_pairs.is_private(secret):
        key_pairs.public_key_of(secret)
        return
    size = len(key_of(secret))
    if not MIN_KEY_BYTES <= size <= MAX_KEY_BYTES:
        raise ValueError(
            f"secret: holds a key of {size} bytes; use {MIN_KEY_BYTES} to {MAX_KEY_BYTES}, "
            "or leave it empty to have one made."
        )


def make_secret() -> str:
    """Return a fresh secret with a key of 256 bits."""
    return SECRET_PREFIX + base64.b64encode(random_bytes.token_bytes(32)).decode()


DIALECT = Dialect(
    name="standard",
    label="Standard Webhooks",
    document="Standard Webhooks specification 1.0 (standardwebhooks.com)",
    signature_header=SIGNATURE_HEADER,
    timeout=15.0,
    default_policy=POLICY,
    secret_format=f"{SECRET_PREFIX} and {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes in base64, which are the key; or "
    f"{key_pairs.PRIVATE_PREFIX} and an Ed25519 key in base64",
    encode=encode,
    check_secret=check_secret,
    make_secret=make_secret,
    make_key_pair=key_pairs.make,
)
