"""Client certificates that are refused, and what is said of each."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.exceptions import ValidationError

from deliveries.sending.destinations import certificates, sign_in
from tests.support.authority import pem_of
from tests.support.odd_keys import certificate, generated, odd, of_factors, pem

HONEST = generated()
FIXES = "Give", "Use", "Make", "is valid only from"
unwarned = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
"""The library warns of what a later one will refuse."""


def refusal(chain: str, key: str | None = None) -> str:
    """Return what is said of a client certificate that is refused."""
    with pytest.raises(ValidationError) as refused:
        sign_in.check({"method": "certificate", "certificate": chain}, None if key is None else {"private_key": key})
    return json.dumps(refused.value.message_dict)


@pytest.mark.parametrize("bits", [34, 256, 2040])
def test_a_certificate_for_a_public_exponent_of_many_bits_is_refused(bits: int) -> None:
    key = of_factors(HONEST.p, HONEST.q, odd(bits))
    public = rsa.RSAPublicNumbers(key.e, key.n).public_key()
    for given in (None, key.pem):
        assert f"public exponent has {bits} bits" in refusal(certificate(public), given)


def test_a_chain_of_many_certificates_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert certificates.check_chain(certificate(key.public_key(), chain=certificates.CERTIFICATES_MAX))
    said = refusal(certificate(key.public_key(), chain=certificates.CERTIFICATES_MAX + 1))
    assert "These are 11 certificates; at most 10" in said


VERSION = bytes.fromhex("a003020102")
KEY_KIND = bytes.fromhex("06072a8648ce3d0201")
CURVE = bytes.fromhex("06082a8648ce3d030107")
ODD_CERTIFICATES = {
    **{f"version {number}": (VERSION, VERSION[:-1] + bytes([number])) for number in (1, 3, 4, 9, 127)},
    "a key of an unknown kind": (KEY_KIND, KEY_KIND[:-1] + b"\x0f"),
    "a key of an unknown curve": (CURVE, CURVE[:-1] + b"\x0f"),
}


@pytest.mark.parametrize("what", ODD_CERTIFICATES)
@pytest.mark.parametrize("with_key", [True, False], ids=["with its key", "alone"])
def test_a_certificate_of_an_unknown_version_or_kind_is_refused_in_words(what: str, with_key: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = x509.load_pem_x509_certificate(certificate(key.public_key()).encode()).public_bytes(Encoding.DER)
    old, new = ODD_CERTIFICATES[what]
    assert old in der
    said = refusal(pem(der.replace(old, new), "CERTIFICATE"), pem_of(key) if with_key else None)
    assert "Give" in said


@unwarned
@pytest.mark.parametrize("kind", ["elliptic curve", "RSA"])
def test_whatever_bytes_of_a_certificate_or_key_are_others_it_is_taken_or_refused(kind: str) -> None:
    key: Any = ec.generate_private_key(ec.SECP256R1()) if kind != "RSA" else rsa.generate_private_key(65537, 2048)
    chance = random.Random(kind)
    texts = certificate(key.public_key()), pem_of(key)
    kinds = "CERTIFICATE", "PRIVATE KEY"
    for _ in range(1500):
        which = chance.randrange(2)
        given = list(texts)
        octets = bytearray(base64.b64decode("".join(texts[which].splitlines()[1:-1])))
        for _ in range(chance.choice((1, 1, 2, 3))):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        given[which] = pem(bytes(octets), kinds[which])
        refused: list[str] = []
        try:
            sign_in.check({"method": "certificate", "certificate": given[0]}, {"private_key": given[1]})
        except ValidationError as error:
            refused = error.messages
        assert all(any(word in said for word in FIXES) for said in refused)


def test_a_certificate_of_a_kind_that_cannot_sign_in_is_refused() -> None:
    for key in (ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(2048)):
        assert "Use an RSA key, an Ed25519 key" in refusal(certificate(key.public_key()))
    taken = ed25519.Ed25519PrivateKey.generate()
    assert certificates.check_chain(certificate(taken.public_key()))
