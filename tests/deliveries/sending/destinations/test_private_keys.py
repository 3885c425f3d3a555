"""Private keys that strangers give cost the same, whatever they chose."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519

from deliveries.sending.destinations import private_keys, sign_in
from deliveries.sending.destinations import pubsub as kind
from subscriptions import encryption
from subscriptions.models import Webhook
from tests.support.authority import pem_of
from tests.support.clouds import GOOGLE_KEYS, PubSub, pubsub_settings
from tests.support.factories import make_webhook
from tests.support.hostile import HostileServer, answers
from tests.support.odd_keys import Rsa, certificate, generated, odd, of_factors
from tests.support.one_attempt import attempt

MERSENNE = {2281: 2203, 3217: 2281, 4423: 4253, 9941: 9689}
"""Exponents of prime Mersenne numbers: keys of any size, made without a search."""
unwarned = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
"""The library warns of what a later one will refuse."""


HONEST = generated()
OTHER = generated()
N = HONEST.n
DEAR = {
    "a factor of 10,400 bits": Rsa(odd(2048), 65537, 3, odd(10400), odd(64), odd(10392), 1, 1),
    "a factor longer than the modulus": HONEST._replace(p=odd(4200)),
    "both factors as long as the modulus": HONEST._replace(p=odd(2048), q=odd(2047)),
    "a factor of four fifths": of_factors(2**2203 - 1, 2**521 - 1),
    "a factor of five eighths and more": of_factors(2**2203 - 1, 2**1279 - 1),
    "an exponent of 12,000 bits": HONEST._replace(d=odd(12000)),
    "an exponent as long as the modulus": HONEST._replace(d=HONEST.d + HONEST.n),
    "an exponent of the first factor": HONEST._replace(dp=odd(9000)),
    "its exponent plus the factor": HONEST._replace(dp=HONEST.dp + HONEST.p - 1),
    "another exponent of the first factor": HONEST._replace(dp=HONEST.dp - 2),
    "an exponent of the second factor": HONEST._replace(dq=odd(9000)),
    "another exponent of the second factor": HONEST._replace(dq=HONEST.dq - 2),
    "a coefficient of 9,000 bits": HONEST._replace(qi=odd(9000)),
    "its coefficient plus the factor": HONEST._replace(qi=HONEST.qi + HONEST.p),
    "another coefficient": HONEST._replace(qi=HONEST.qi - 1),
    "an even modulus": HONEST._replace(n=N - 1),
    "even factors": HONEST._replace(p=HONEST.p - 1, q=HONEST.q - 1),
    "another modulus": HONEST._replace(n=OTHER.n),
    "factors of another": HONEST._replace(p=OTHER.p, q=OTHER.q),
    "no factors": HONEST._replace(p=0, q=0, dp=0, dq=0, qi=0),
    "a factor of one": HONEST._replace(p=1, q=N, dp=0, dq=1, qi=0),
    "a public exponent of 34 bits": of_factors(HONEST.p, HONEST.q, 2**33 + 1),
    "a public exponent of 2,040 bits": of_factors(HONEST.p, HONEST.q, odd(2040)),
    "an even public exponent": HONEST._replace(e=65536),
    "a public exponent of one": HONEST._replace(e=1, d=1, dp=1, dq=1),
}


@pytest.mark.parametrize(("one", "other"), MERSENNE.items(), ids=str)
def test_a_key_above_the_bound_is_refused_for_its_size(one: int, other: int) -> None:
    """One of 8,676 bits took 6 s of the whole process, one of 14,112 bits 23."""
    key = of_factors(2**one - 1, 2**other - 1).pem
    for check in (private_keys.check, kind._check_private_key):
        with pytest.raises(ValueError, match=r"bits|characters"):
            check(key)


@pytest.mark.parametrize("what", DEAR)
def test_a_key_whose_numbers_cost_more_than_an_honest_ones_is_refused_at_once(what: str) -> None:
    """A factor of 10,400 bits made each signature take 0.36 s."""
    key = DEAR[what].pem
    for check in (private_keys.check, kind._check_private_key):
        began = time.process_time()
        with pytest.raises(ValueError, match=r"Make another|Use a key|Use an RSA key|in PEM") as refused:
            check(key)
        assert time.process_time() - began < 0.1
        assert "PEM" not in str(refused.value) or DEAR[what].e in (1, 65536)  # these two, the library refuses itself


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_usual_keys_are_taken(bits: int) -> None:
    key = pem_of(rsa.generate_private_key(65537, bits))
    assert private_keys.check(key).startswith("-----BEGIN PRIVATE KEY-----")
    assert kind._check_private_key(key) == key


@pytest.mark.parametrize("exponent", [3, 5, 17, 257, 65537, 2**32 + 15])
def test_keys_of_other_makers_are_taken(exponent: int) -> None:
    """With another public exponent, factors in either order, and the exponent that the least multiple gives."""
    p, q = next((p, q) for p, q in _factors() if math.gcd(exponent, (p - 1) * (q - 1)) == 1)
    key = of_factors(p, q, exponent)
    least = pow(exponent, -1, math.lcm(p - 1, q - 1))
    for each in (key, of_factors(q, p, exponent), key._replace(d=least)):
        taken = private_keys.check(each.pem)
        assert private_keys.check(taken) == taken


def _factors() -> Iterator[tuple[int, int]]:
    for _ in count():
        key = rsa.generate_private_key(65537, 2048).private_numbers()
        yield key.p, key.q


CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_elliptic_curve_keys_are_taken(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    taken = sign_in.check({"method": "certificate", "certificate": certificate(key.public_key())},
                          {"private_key": pem_of(key)})  # fmt: skip
    assert taken.credentials


OTHERS: dict[str, Any] = {
    "DSA": lambda: pem_of(dsa.generate_private_key(2048)),
    "Ed448": lambda: pem_of(ed448.Ed448PrivateKey.generate()),
    "X25519": lambda: pem_of(x25519.X25519PrivateKey.generate()),
    "DH": lambda: _openssl("genpkey", "-algorithm", "DH", "-pkeyopt", "group:ffdhe8192"),
    "a binary curve": lambda: _openssl("ecparam", "-name", "sect571r1", "-genkey", "-noout"),
    "a curve of its own": lambda: _openssl(
        "ecparam", "-name", "sect571r1", "-genkey", "-noout", "-param_enc", "explicit"
    ),
    "a curve that nobody uses": lambda: _openssl("ecparam", "-name", "secp112r1", "-genkey", "-noout"),
}  # fmt: skip


def _openssl(*words: str) -> str:
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True).stdout


@unwarned
@pytest.mark.parametrize("what", OTHERS)
def test_keys_of_other_kinds_and_curves_are_refused_with_what_to_use(what: str) -> None:
    key = OTHERS[what]()
    began = time.process_time()
    for check in (private_keys.check, kind._check_private_key):
        with pytest.raises(ValueError, match="Use an RSA key, an Ed25519 key, or an elliptic-curve key"):
            check(key)
    assert time.process_time() - began < 0.2


STORED = ["a factor of 10,400 bits", "a public exponent of 2,040 bits", "an exponent of 12,000 bits"]


def keep(webhook: Webhook, **credentials: str) -> None:
    webhook.credentials = encryption.encrypt(json.dumps(credentials))
    webhook.save()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", STORED)
def test_a_stored_key_of_that_kind_signs_in_nowhere_and_the_attempt_says_what_to_do(what: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    way = {
        "sign_in": {"method": "certificate", "certificate": certificate(key.public_key())},
        "credentials": {"private_key": pem_of(key)},
    }
    with HostileServer(answers()) as server:
        webhook = make_webhook(url=server.url, **way)
        keep(webhook, private_key=DEAR[what].pem)
        delivery, made = attempt(webhook)
    assert (delivery.status, made.status_code) == ("dead", None), made.detail
    assert made.detail.startswith("The request could not be made: the client certificate's key isn't used. The key's")
    assert "Then give it with its certificate." in made.detail


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", STORED)
def test_a_stored_key_of_that_kind_signs_nothing_for_google(pubsub: PubSub, what: str) -> None:
    webhook = make_webhook(**pubsub_settings(pubsub.url))
    keep(webhook, **{**GOOGLE_KEYS, "private_key": DEAR[what].pem})
    began = time.process_time()
    delivery, made = attempt(webhook)
    assert time.process_time() - began < 0.3
    assert (delivery.status, made.status_code) == ("dead", None), made.detail
    assert made.detail.startswith("The request could not be made: the service account's key isn't used. The key's")
    assert pubsub.taken == []
