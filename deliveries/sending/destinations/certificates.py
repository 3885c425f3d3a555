"""Client certificates (mTLS): what is refused when one is given, and when one ends."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

CHAIN_MAX: Final = 16 * 1024
"""Characters of a certificate with those of its authorities."""
KEY_MAX: Final = 4 * 1024
"""Characters of a private key; an RSA key of RSA_BITS_MAX has some 3,300."""
RSA_BITS_MIN: Final = 2048
"""TLS libraries take no shorter ones."""
RSA_BITS_MAX: Final = 4096
"""Longer ones cost too much: a signature of 16,384 bits takes as long as hundreds of deliveries."""
_UNFIT: Final = (ValueError, TypeError, UnsupportedAlgorithm)


def check_chain(text: str) -> str:
    """Return the certificates of PEM text in their stored form, the client's own first. Raises ValueError."""
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except _UNFIT:
        raise ValueError("This is no certificate in PEM. Give it from -----BEGIN CERTIFICATE----- on.") from None
    own = chain[0]
    now = datetime.now(UTC)
    if own.not_valid_after_utc <= now:
        raise ValueError(f"The certificate expired on {_date(own.not_valid_after_utc)}. Give one that is valid.")
    if own.not_valid_before_utc > now:
        raise ValueError(f"The certificate is valid only from {_date(own.not_valid_before_utc)} on.")
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain).strip()


def check_key(text: str) -> str:
    """Return a private key of PEM text in its stored form (PKCS #8). Raises ValueError."""
    try:
        key = load_key(text)
    except TypeError:
        raise ValueError("The private key is encrypted. Give it without its passphrase; we encrypt it.") from None
    except _UNFIT:
        raise ValueError("This is no private key in PEM. Give it from -----BEGIN PRIVATE KEY----- on.") from None
    if not isinstance(key, (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey)):
        raise ValueError("Use an RSA, elliptic-curve or Ed25519 key.")
    if isinstance(key, RSAPrivateKey) and not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise ValueError(f"The key has {key.key_size} bits. Use an RSA key of {RSA_BITS_MIN} to {RSA_BITS_MAX}.")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip()


def load_key(text: str) -> PrivateKeyTypes:
    """Return the private key of PEM text, which strangers give: at a price that doesn't depend on what they chose.

    Whether the factors of an RSA key are prime is not asked: that takes seconds to minutes of all threads for keys
    made for it, and whose factors are not only fails to sign for its owner. Raises ValueError, TypeError for an
    encrypted one, UnsupportedAlgorithm.
    """
    if len(text) > KEY_MAX:
        raise ValueError(f"The private key has more than {KEY_MAX:,} characters.")
    return serialization.load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=True)


def check_pair(chain: str, key: str) -> None:
    """Refuse a private key that isn't its certificate's; both in their stored form. Raises ValueError."""
    private = load_key(key)
    wanted, given = (
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for public in (x509.load_pem_x509_certificate(chain.encode()).public_key(), private.public_key())
    )
    if wanted != given:
        raise ValueError("The private key does not belong to the certificate. Give the two that were made together.")


@lru_cache(maxsize=4096)
def ends_at(chain: str) -> datetime:
    """Return when a certificate in its stored form ends."""
    return x509.load_pem_x509_certificate(chain.encode()).not_valid_after_utc


def _date(moment: datetime) -> str:
    return f"{moment:%d %B %Y at %H:%M} UTC"
