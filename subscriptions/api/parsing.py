"""Request bodies: JSON in UTF-8, read strictly, so that nothing strange reaches serializers or the database."""

from __future__ import annotations

import json
import re
from typing import IO, Any, Final, NoReturn

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser

DEPTH_MAX: Final = 64
SAFE_MAX: Final = 2**53 - 1
"""The largest whole number that every JSON reader takes alike (JavaScript's MAX_SAFE_INTEGER)."""
_SUSPICIOUS: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
"""Escapes that may stand for NUL or for half of a surrogate pair: only then is the tree walked."""
BAD_CHARACTER: Final = re.compile("[\0\ud800-\udfff]")


def decode(body: bytes) -> str:
    """Return a body's text. Raises ParseError naming the place where it isn't UTF-8, and for a byte order mark."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8: byte 0x{body[error.start]:02x} at byte {error.start}.") from None
    if text.startswith("\ufeff"):
        raise ParseError("The body starts with a byte order mark. Send UTF-8 without one.")
    return text


def syntax_error(error: json.JSONDecodeError) -> ParseError:
    """Return the 400 that names the line and column of a JSON syntax error."""
    return ParseError(f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.")


def unusable(message: str) -> ValidationError:
    """Return the 422 for JSON that is well-formed, but that nothing here can hold."""
    return ValidationError([message], "unusable")


def load(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises ParseError (400) for what isn't JSON, NaN, Infinity and a key given twice included; ValidationError (422) for
    JSON that nothing here can hold: numbers out of range, NUL, lone surrogates, more than DEPTH_MAX levels.
    """
    text = decode(body)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise syntax_error(error) from None
    except RecursionError:
        raise unusable(TOO_DEEP) from None
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_deeper(value, DEPTH_MAX):
        raise unusable(TOO_DEEP)
    if _SUSPICIOUS.search(text):
        refuse_bad_characters(json.dumps(value, ensure_ascii=False))
    return value


def refuse_bad_characters(text: str) -> None:
    r"""Raise ValidationError when the text holds NUL or half of a surrogate pair, raw or as `json.dumps` writes it."""
    found = BAD_CHARACTER.search(text)
    if found or "\\u0000" in text.replace("\\\\", ""):
        raise unusable("A string holds U+0000 or half of a surrogate pair. Remove it: no database keeps it.")


class StrictJSONParser(BaseParser):
    """REST framework's door to `load`."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the value of the stream's JSON."""
        return load(stream.read())


TOO_DEEP: Final = f"The body nests deeper than {DEPTH_MAX} levels. Flatten it."


def _integer(token: str) -> int:
    if len(token) > 20:
        raise unusable(f"The number {token[:20]}… is too large. Send it as a string.")
    return int(token)


def _float(token: str) -> float:
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise unusable(f"The number {token[:20]} is too large. Send it as a string.")
    # 20.0 is a whole number to JSON Schema and to JavaScript, which don't know two kinds of numbers.
    return int(number) if number.is_integer() and abs(number) <= SAFE_MAX else number


def _constant(token: str) -> NoReturn:
    raise ParseError(f"The body is not valid JSON: {token} is no JSON value. Send null or a string.")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The key {twice[:60]!r} occurs twice in one object. Keep one.")
    return members


_DECODER: Final = json.JSONDecoder(
    parse_int=_integer, parse_float=_float, parse_constant=_constant, object_pairs_hook=_members
)


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
