"""Private keys that tenants give: none is taken that costs more than an honest one of its size.

Who makes a key chooses more than its length. Factors or a public exponent of thousands of bits make a signature take
hundreds of times as long as usual ones do, on a thread that everybody's deliveries share.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KEY_MAX: Final = 4 * 1024
"""Characters of a private key; an RSA key of RSA_BITS_MAX has some 3,300."""
RSA_BITS_MIN: Final = 2048
"""TLS libraries take no shorter ones."""
RSA_BITS_MAX: Final = 4096
"""Longer ones cost too much: a signature of 16,384 bits takes as long as hundreds of deliveries."""
RSA_EXPONENT_BITS_MAX: Final = 33
"""Of the public exponent, which nearly all keys have as 65,537: who signs checks each signature with it."""
UNFIT: Final = (ValueError, TypeError, UnsupportedAlgorithm)
"""What the library raises for what it can't read."""

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
_KINDS: Final = "Use an RSA key, an Ed25519 key, or an elliptic-curve key (P-256, P-384 or P-521)."


class UnusableKey(ValueError):
    """A key that is one, and isn't used; the text says why, and what to give instead."""


def check(text: str) -> str:
    """Return a private key of PEM text in its stored form (PKCS #8). Raises ValueError."""
    key = read(text)
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_BITS_MIN:
        raise UnusableKey(f"The key has {key.key_size} bits. Use an RSA key of {RSA_BITS_MIN} to {RSA_BITS_MAX}.")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip()


@lru_cache(maxsize=4096)
def read(text: str) -> PrivateKey:
    """Return the private key of PEM text, one that may be signed with.

    Whether the factors of an RSA key are prime is not asked, and so the library isn't either: that takes seconds to
    minutes of all threads for keys made for it, and whose factors are not only fails to sign for its owner. What is
    asked takes multiplications only.

    Raises:
        ValueError: It is no key in PEM, or encrypted.
        UnusableKey: It isn't to be used.
    """
    if len(text) > KEY_MAX:
        raise UnusableKey(f"The private key has more than {KEY_MAX:,} characters.")
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise UnusableKey("The private key is encrypted. Give it without its passphrase; we encrypt it.") from None
    except UnsupportedAlgorithm:
        raise UnusableKey(f"The private key is of a kind or curve that isn't known here. {_KINDS}") from None
    except ValueError:
        raise ValueError("This is no private key in PEM. Give it from -----BEGIN PRIVATE KEY----- on.") from None
    if not isinstance(key, (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey)):
        raise UnusableKey(_KINDS)
    if isinstance(key, RSAPrivateKey):
        _check_public(key.key_size, key.public_key())
        _check_private(key.private_numbers())
    return key


def check_public(key: object) -> None:
    """Refuse the public key of a certificate that is to be shown. Raises UnusableKey."""
    if not isinstance(key, (RSAPublicKey, EllipticCurvePublicKey, Ed25519PublicKey)):
        raise UnusableKey(_KINDS)
    if isinstance(key, RSAPublicKey):
        _check_public(key.key_size, key)


def _check_public(bits: int, key: RSAPublicKey) -> None:
    if bits > RSA_BITS_MAX:
        raise UnusableKey(f"The key has {bits} bits. Use an RSA key of {RSA_BITS_MIN} to {RSA_BITS_MAX}.")
    numbers = key.public_numbers()
    if not 3 <= numbers.e < 2**RSA_EXPONENT_BITS_MAX or numbers.e % 2 == 0:
        raise UnusableKey(
            f"The key's public exponent has {numbers.e.bit_length()} bits. "
            f"Use a key whose exponent is odd and has 2 to {RSA_EXPONENT_BITS_MAX} bits; usual ones have 65,537."
        )


def _check_private(key: RSAPrivateNumbers) -> None:
    """Refuse an RSA key whose numbers aren't those of one key, or whose factors differ much in length."""
    modulus, exponent = key.public_numbers.n, key.public_numbers.e
    bits = modulus.bit_length()
    are_alike = all(3 * bits <= 8 * factor.bit_length() <= 5 * bits and factor % 2 for factor in (key.p, key.q))
    if not (
        are_alike
        and key.p * key.q == modulus
        and 0 < key.d < modulus
        and key.d % (key.p - 1) == key.dmp1
        and key.d % (key.q - 1) == key.dmq1
        and exponent * key.dmp1 % (key.p - 1) == 1
        and exponent * key.dmq1 % (key.q - 1) == 1
        and 0 < key.iqmp < key.p
        and key.iqmp * key.q % key.p == 1
    ):
        raise UnusableKey(
            "The key's numbers don't belong together, or its two factors aren't about half as long as its modulus. "
            "Make another by openssl genrsa or the like."
        )
