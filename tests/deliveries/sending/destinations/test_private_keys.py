"""Private keys that strangers give cost the same, whatever they chose."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from deliveries.sending.destinations import certificates, pubsub
from tests.support.authority import pem_of

MERSENNE = {2281: 2203, 3217: 2281, 4423: 4253, 9941: 9689}
"""Exponents of prime Mersenne numbers: keys of any size, made without a search."""


def _integer(number: int) -> bytes:
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + _length(len(octets)) + octets


def _length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def large_key(one: int, other: int) -> str:
    """Return an RSA key (PKCS #1) of two Mersenne primes."""
    p, q, e = 2**one - 1, 2**other - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    body = b"".join(map(_integer, (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))))
    text = base64.b64encode(b"\x30" + _length(len(body)) + body).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{text}\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(("one", "other"), MERSENNE.items(), ids=str)
def test_a_key_above_the_bound_is_refused_for_its_size(one: int, other: int) -> None:
    """One of 8,676 bits took 6 s of the whole process, one of 14,112 bits 23."""
    key = large_key(one, other)
    with pytest.raises(ValueError, match=r"bits|PEM"):
        certificates.check_key(key)
    with pytest.raises(ValueError, match="PEM"):
        pubsub._check_private_key(key)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_usual_keys_are_taken(bits: int) -> None:
    key = pem_of(rsa.generate_private_key(65537, bits))
    assert certificates.check_key(key).startswith("-----BEGIN PRIVATE KEY-----")
    assert pubsub._check_private_key(key) == key
