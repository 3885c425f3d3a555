"""What ECMAScript makes of JSON numbers and object keys (ECMA-262: Number::toString, OrdinaryOwnPropertyKeys).

Hooks for the scanner of `json`. A hook sees a token without its place in the document, so what it refuses it
leaves standing as a `Refused`; `deliveries.payloads.canonical_json` finds it there and names the path.
"""

import math
import re
from decimal import Decimal
from typing import Any, Final

_MAX_INDEX_KEY: Final = 2**32 - 2  # array indexes (ECMA-262, 6.1.7) are enumerated first, ascending
_INDEX_KEY: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_LONGEST_INTEGER: Final = len(str(-(10**20)))  # from 10^21 on ECMAScript writes an exponent
_SAFE_INTEGER_LENGTH: Final = 15  # any integer this short survives a double
_EXACT: Final = 2**53
_SHOWN_CHARS: Final = 40
_AS_STRING: Final = "Send it as a string."


class Refused:
    """Stands in the parsed tree where a value was refused."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


class TinyNumber:
    """A double below 1e-4, which ECMAScript and Python write differently; `text` is ECMAScript's way."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


Number = int | float | TinyNumber


def integer_token(token: str) -> int | Refused:
    """Accept an integer literal iff ECMAScript prints the same token again (`-0` counts as 0)."""
    if len(token) <= _SAFE_INTEGER_LENGTH:
        return int(token)
    return _changed(token) if len(token) > _LONGEST_INTEGER else integer(int(token))


def integer(number: int) -> int | Refused:
    """Accept an integer iff it survives a double and is written without an exponent."""
    if -_EXACT <= number <= _EXACT:
        return number
    if abs(number) < 10**21 and float_number(float(number)) == number:
        return number
    return _changed(str(number) if abs(number) < 10**_SHOWN_CHARS else "The integer")


def _changed(token: str) -> Refused:
    return Refused(f"{shown(token)} would be changed by JavaScript, which reads numbers as doubles. {_AS_STRING}")


def float_token(token: str) -> Number | Refused:
    """Read a literal with a fraction or an exponent as a double; refuse what overflows, or becomes 0 unasked."""
    number = float(token)
    if number in (math.inf, -math.inf):
        return Refused(f"{shown(token)} is too large for a double. {_AS_STRING}")
    if number == 0 and re.search("[1-9]", re.split("[eE]", token)[0]):
        return Refused(f"{shown(token)} is too small for a double and would become 0. {_AS_STRING}")
    return float_number(number)


def float_number(number: float) -> Number:
    """Return the value whose Python text is ECMAScript's text of a finite double."""
    size = abs(number)
    if number.is_integer():
        if size < _EXACT:
            return int(number)
        return int(Decimal(repr(number))) if size < 1e21 else number
    if size >= 1e-4:
        return number
    text = repr(number)
    return TinyNumber(format(Decimal(text), "f") if size >= 1e-6 else text.replace("e-0", "e-"))


def constant(token: str) -> Refused:
    """Refuse `NaN` and the infinities, which the scanner would take."""
    return Refused(f"{token} is not JSON. Send null or a string.")


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members: duplicate keys refused, array indexes first as ECMAScript orders them."""
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                result[key] = Refused("the key occurs twice in the same object. Keep one.")
            seen.add(key)
    if result and min(result) < ":":  # ":" follows "9": some key may start with a digit
        return _index_keys_first(result)
    return result


def _index_keys_first(members: dict[str, Any]) -> dict[str, Any]:
    indexes = [key for key in members if _INDEX_KEY.fullmatch(key) and int(key) <= _MAX_INDEX_KEY]
    return {key: members[key] for key in sorted(indexes, key=int)} | members


def shown(text: str) -> str:
    """Shorten a piece of the payload for an error message."""
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
