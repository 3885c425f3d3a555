"""Public ids computed from keys: a keyed, reversible code with a check, so that no column and no index holds them.

A code doesn't tell how many rows there are, nor which came before which, and a mistyped or guessed one is refused
without asking the database. Pure.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, as in the ULIDs of other public ids."""
LENGTH: Final = 16
"""Characters after the prefix: 64 bits of the key, mixed, and CHECK_BITS of check."""
CHECK_BITS: Final = 16
ROUNDS: Final = 4
"""Of a balanced Feistel network over 64 bits: four keyed rounds are a strong permutation (Luby and Rackoff, 1988)."""

_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_HALF = 0xFFFFFFFF


def encode(key: bytes, prefix: str, number: int) -> str:
    """Return `prefix_` and the code of a row's key.

    Args:
        key: The installation's secret, at most 64 bytes.
        prefix: What kind of row it is; two kinds give one number different codes.
        number: 0 to 2^64 - 1.
    """
    rounds = _rounds(key, prefix)
    left, right = number >> 32, number & _HALF
    for mix in rounds:
        left, right = right, left ^ _mixed(mix, right)
    mixed = (left << 32) | right
    text, value = "", (mixed << CHECK_BITS) | _check(rounds, mixed)
    for _ in range(LENGTH):
        value, rest = divmod(value, 32)
        text = ALPHABET[rest] + text
    return f"{prefix}_{text}"


def decode(key: bytes, prefix: str, code: str) -> int | None:
    """Return the key that a code stands for; None for anything that `encode` did not make with this key and prefix."""
    start, _, text = code.partition("_")
    if start != prefix or len(text) != LENGTH:
        return None
    value = 0
    for character in text:
        if character not in _VALUES:
            return None
        value = value * 32 + _VALUES[character]
    rounds = _rounds(key, prefix)
    mixed, check = value >> CHECK_BITS, value & ((1 << CHECK_BITS) - 1)
    if check != _check(rounds, mixed):
        return None
    left, right = mixed >> 32, mixed & _HALF
    for mix in reversed(rounds):
        left, right = right ^ _mixed(mix, left), left
    return (left << 32) | right


@lru_cache(maxsize=16)
def _rounds(key: bytes, prefix: str) -> tuple[bytes, ...]:
    return tuple(hashlib.blake2b(f"{prefix}:{nth}".encode(), key=key, digest_size=32).digest() for nth in range(ROUNDS))


def _mixed(key: bytes, half: int) -> int:
    return int.from_bytes(hashlib.blake2s(half.to_bytes(4, "big"), key=key, digest_size=4).digest(), "big")


def _check(rounds: tuple[bytes, ...], mixed: int) -> int:
    digest = hashlib.blake2s(mixed.to_bytes(8, "big"), key=rounds[0], digest_size=2, person=b"check")
    return int.from_bytes(digest.digest(), "big")
