"""Ed25519 key pairs of Standard Webhooks: `whsk_` signs, `whpk_` verifies, and a signature begins with `v1a,`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
_SEED_BYTES: Final = 32
_PAIR_BYTES: Final = 64


def is_private(secret: str) -> bool:
    """Tell whether a secret is a private key rather than one that sender and receiver share."""
    return secret.startswith(PRIVATE_PREFIX)


def make() -> str:
    """Return a fresh private key, its public key behind it, as the specification writes it."""
    key = Ed25519PrivateKey.generate()
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return PRIVATE_PREFIX + base64.b64encode(seed + _raw_public(key)).decode()


def public_key_of(secret: str) -> str:
    """Return what a receiver verifies with: `whpk_` and base64. Raises ValueError with the fix."""
    return PUBLIC_PREFIX + base64.b64encode(_raw_public(_key_of(secret))).decode()


def sign(signed: bytes, secret: str) -> str:
    """Return the signature of these bytes: `v1a,` and base64. Raises ValueError with the fix."""
    return "v1a," + base64.b64encode(_key_of(secret).sign(signed)).decode()


@lru_cache(maxsize=4096)
def _key_of(secret: str) -> Ed25519PrivateKey:
    try:
        octets = base64.b64decode(secret.removeprefix(PRIVATE_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not is_private(secret) or len(octets) not in (_SEED_BYTES, _PAIR_BYTES):
        raise ValueError(
            f"secret: what follows {PRIVATE_PREFIX} is not the base64 of an Ed25519 key (32 bytes, or 64 with its "
            "public key); leave it empty to have one made."
        )
    key = Ed25519PrivateKey.from_private_bytes(octets[:_SEED_BYTES])
    if len(octets) == _PAIR_BYTES and octets[_SEED_BYTES:] != _raw_public(key):
        raise ValueError("secret: the second half of the key is not the public key of the first; give both as made.")
    return key


def _raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
