"""RSA keys with any numbers, and certificates for any key: what nobody honest makes."""

from __future__ import annotations

import base64
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Webhooks")])


class Rsa(NamedTuple):
    """An RSA key's numbers, in the order of PKCS #1."""

    n: int
    e: int
    d: int
    p: int
    q: int
    dp: int
    dq: int
    qi: int

    @property
    def pem(self) -> str:
        """The key as PEM text (PKCS #1)."""
        body = b"".join(map(_integer, (0, *self)))
        return pem(b"\x30" + _length(len(body)) + body, "RSA PRIVATE KEY")


def pem(der: bytes, kind: str) -> str:
    """Return PEM text."""
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


def _integer(number: int) -> bytes:
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + _length(len(octets)) + octets


def _length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def of_factors(p: int, q: int, e: int = 65537) -> Rsa:
    """Return the key of two factors, all of whose numbers belong together."""
    while math.gcd(e, (p - 1) * (q - 1)) != 1:
        e += 2
    d = pow(e, -1, (p - 1) * (q - 1))
    return Rsa(p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


def odd(bits: int) -> int:
    """Return an odd number of so many bits, the same each time."""
    return random.Random(bits).getrandbits(bits) | 1 << bits - 1 | 1


def generated(bits: int = 2048) -> Rsa:
    """Return an honest key."""
    key = rsa.generate_private_key(65537, bits).private_numbers()
    return of_factors(key.p, key.q)


def certificate(public: Any, *, chain: int = 1) -> str:
    """Return a certificate for a public key, so many times."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(NAME, NAME, public, 7, now - timedelta(1), now + timedelta(30))
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode() * chain
