"""Client certificates (mTLS): what is refused when one is given, and when one ends."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deliveries.sending.destinations import private_keys

CHAIN_MAX: Final = 16 * 1024
"""Characters of a certificate with those of its authorities."""
CERTIFICATES_MAX: Final = 10
"""Certificates in it: each is read anew for each connection, and honest chains have two to four."""
_UNFIT: Final = (*private_keys.UNFIT, x509.InvalidVersion)


def check_chain(text: str) -> str:
    """Return the certificates of PEM text in their stored form, the client's own first. Raises ValueError."""
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
        own = chain[0]
        begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
    except _UNFIT:
        raise ValueError("This is no certificate in PEM. Give it from -----BEGIN CERTIFICATE----- on.") from None
    if len(chain) > CERTIFICATES_MAX:
        raise ValueError(
            f"These are {len(chain)} certificates; at most {CERTIFICATES_MAX} are shown. "
            "Give the client's own, and those of the authorities between it and the one that your endpoint knows."
        )
    now = datetime.now(UTC)
    if ends <= now:
        raise ValueError(f"The certificate expired on {_date(ends)}. Give one that is valid.")
    if begins > now:
        raise ValueError(f"The certificate is valid only from {_date(begins)} on.")
    _check_public_key(own)
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain).strip()


def _check_public_key(own: x509.Certificate) -> None:
    try:
        key = own.public_key()
    except _UNFIT:
        raise ValueError(
            "The certificate's key is of a kind or curve that isn't known here. Give a certificate for an RSA, "
            "Ed25519 or usual elliptic-curve key."
        ) from None
    private_keys.check_public(key)


def check_pair(chain: str, key: str) -> None:
    """Refuse a private key that isn't its certificate's; both in their stored form. Raises ValueError."""
    private = private_keys.read(key)
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
