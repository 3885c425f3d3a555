"""What ECMAScript makes of JSON numbers and object keys (ECMA-262, Number::toString and OrdinaryOwnPropertyKeys).

Hooks for :mod:`json`'s scanner. A hook sees a token without its place in the document, so what it refuses it leaves
standing as a :class:`Refused`; :mod:`deliveries.canonical` finds it there and names the path.
"""

import math
import re
from decimal import Decimal
from typing import Any, Final


class _Refused:
    """Stands in the parsed tree where a value was refused."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


class _Tiny:
    """A double below 1e-4, which ECMAScript and Python write differently; holds ECMAScript's text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


# --- what the scanner's hooks make of tokens


def _integer_token(token: str) -> int | _Refused:
    if len(token) <= _SAFE_INTEGER_LENGTH:
        return int(token)
    return _changed(token) if len(token) > _LONGEST_INTEGER else _integer(int(token))


def _integer(number: int) -> int | _Refused:
    if -_EXACT <= number <= _EXACT:
        return number
    if abs(number) < 10**21 and _float(float(number)) == number:
        return number
    return _changed(str(number) if abs(number) < 10**_SHOWN_CHARS else "the integer")


def _changed(token: str) -> _Refused:
    return _Refused(f"{_shown(token)} would be changed by JavaScript, which reads numbers as doubles. {_AS_STRING}")


_AS_STRING: Final = "Send it as a string."


def _float_token(token: str) -> int | float | _Tiny | _Refused:
    number = float(token)
    if number in (math.inf, -math.inf):
        return _Refused(f"{_shown(token)} is too large for a double. {_AS_STRING}")
    if number == 0 and any(digit in "123456789" for digit in re.split("[eE]", token)[0]):
        return _Refused(f"{_shown(token)} is too small for a double and would become 0. {_AS_STRING}")
    return _float(number)


def _float(number: float) -> int | float | _Tiny:
    """Choose the value whose Python text is ECMAScript's text of the double (ECMA-262, Number::toString)."""
    size = abs(number)
    if number.is_integer():
        if size < _EXACT:
            return int(number)
        return int(Decimal(repr(number))) if size < 1e21 else number
    if size >= 1e-4:
        return number
    text = repr(number)
    return _Tiny(format(Decimal(text), "f") if size >= 1e-6 else text.replace("e-0", "e-"))


def _constant(token: str) -> _Refused:
    return _Refused(f"{token} is not JSON. Send null or a string.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _mark_duplicates(members, pairs)
    if members and min(members) < ":":  # ":" follows "9"
        return _index_keys_first(members)
    return members


def _mark_duplicates(members: dict[str, Any], pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            members[key] = _Refused("the key stands twice in the same object. Keep one.")
        seen.add(key)


def _index_keys_first(members: dict[str, Any]) -> dict[str, Any]:
    indexes = [key for key in members if _INDEX_KEY.fullmatch(key) and int(key) <= _MAX_INDEX_KEY]
    return {key: members[key] for key in sorted(indexes, key=int)} | members
