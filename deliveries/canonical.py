"""One canonical JSON: the text that ``JSON.stringify(JSON.parse(text))`` gives in ECMAScript (ECMA-262, 25.5).

Receivers of the Alva and Litestore documents verify signatures over a body they parsed and serialised again in Node,
so what is sent must already be in that form. Whatever would change or be lost on that way is refused here, with the
place and the mend. The C scanner and encoder of :mod:`json` do the work; hooks only look at numbers and objects.

Hooks see a value without its place in the document. They leave a ``_Refused`` where it stands; the encoder stumbles
over it, and only then is the tree walked to name the path.
"""

import enum
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn
from uuid import UUID

MAX_DEPTH: Final = 64
"""Levels of objects and arrays a payload may have; ``{}`` has one."""

_MAX_INDEX_KEY: Final = 2**32 - 2  # ECMA-262 6.1.7: array indexes are enumerated first, ascending
_INDEX_KEY: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONGEST_INTEGER: Final = len(str(-(10**20)))  # from 10^21 on ECMAScript writes an exponent
_SAFE_INTEGER_LENGTH: Final = 15  # any integer this short survives a double
_EXACT: Final = 2**53
_SHOWN_CHARS: Final = 40

_SYNTAX_MEND: Final = "Strings and keys take double quotes; no comments, and no comma after the last item."
_TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of nesting. Flatten the data."
_NUL: Final = "contains the character U+0000, which databases and many receivers cannot keep. Remove it."
_LONE_SURROGATE: Final = (
    "contains half of a surrogate pair, which is no character. Send the whole pair, or the character in UTF-8."
)


class InvalidPayload(ValueError):
    """Data that cannot be sent: :attr:`path` says where, :attr:`message` what is wrong and how to mend it.

    ``path`` is like ``data.order.items[3].price``, or ``line 3, column 7 (byte 52)`` where the text is not JSON.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class _PlaceholderMet(Exception):
    """The encoder met a ``_Refused`` or a ``_Tiny``."""


def canonical(text: str | bytes, *, root: str = "data", max_bytes: int | None = None) -> str:
    """Return the canonical form of a JSON text.

    :param text: JSON (RFC 8259) as text or UTF-8 bytes, without a byte order mark.
    :param root: what the top of the document is called in error paths.
    :param max_bytes: refuse a longer input unread; its length counts as given, before white space is dropped.
    :raises InvalidPayload: for anything that is not JSON or that ECMAScript would change.
    """
    return _encode(_parse(text, root, max_bytes), root)


def canonical_object(text: str | bytes, *, root: str = "data", max_bytes: int | None = None) -> str:
    """Like :func:`canonical`, and refuse anything but an object at the top."""
    tree = _parse(text, root, max_bytes)
    if type(tree) is not dict:
        raise InvalidPayload(root, f'must be a JSON object, but is {_kind(tree)}. Wrap it: {{"value": …}}.')
    return _encode(tree, root)


def dump(value: object, *, root: str = "data") -> str:
    """Return the canonical JSON of Python data.

    Mappings with text keys, lists, tuples, str, int, float, bool and None stand for themselves. Decimals become
    strings in plain notation, aware datetimes ISO 8601 in UTC with ``Z``, dates ISO 8601, UUIDs strings, enum members
    their values.

    :raises InvalidPayload: for any other type, a naive datetime, and what :func:`canonical` refuses.
    """
    return _encode(_plain(value, 1), root)


def _parse(text: str | bytes, root: str, max_bytes: int | None) -> Any:
    if max_bytes is not None and len(text) > max_bytes:
        raise InvalidPayload(root, f"is larger than {max_bytes} bytes. Send less, or a link to the rest.")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = text[: error.start].decode("utf-8")
            message = f"byte 0x{text[error.start]:02x} is not valid UTF-8. Encode the body as UTF-8."
            raise InvalidPayload(_position(before, len(before)), message) from None
    try:
        tree = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidPayload(_position(text, error.pos), _syntax_message(text, error)) from None
    except RecursionError:
        raise InvalidPayload(root, _TOO_DEEP) from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(tree, MAX_DEPTH):
        _refuse_first(tree, root)
    return tree


def _position(text: str, index: int) -> str:
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    return f"line {line}, column {column} (byte {len(text[:index].encode('utf-8', 'surrogatepass'))})"


def _syntax_message(text: str, error: json.JSONDecodeError) -> str:
    if text.startswith("\ufeff"):
        return "the text starts with a byte order mark. Send UTF-8 without one."
    if not text.strip():
        return "the text is empty. Send a JSON object."
    return f"not valid JSON: {error.msg.removesuffix(' at')}. {_SYNTAX_MEND}"


def _kind(value: object) -> str:
    names = {str: "a string", bool: "a boolean", type(None): "null", list: "an array"}
    return names.get(type(value), "a number")


_DECODER: Final = json.JSONDecoder(
    parse_int=_integer_token, parse_float=_float_token, parse_constant=_constant, object_pairs_hook=_object
)


# --- Python data


def _plain(value: object, level: int) -> Any:
    """Return the tree the scanner would have made of ``value``, which stands at ``level``."""
    match value:
        case enum.Enum():
            return _plain(value.value, level)
        case str() | bool() | None:
            return value
        case int():
            return _integer(int(value))
        case float():
            return _float(float(value)) if math.isfinite(value) else _constant(str(value))
        case Mapping() | list() | tuple() if level > MAX_DEPTH:
            return _Refused(_TOO_DEEP)
        case Mapping():
            return _object([_member(key, item, level) for key, item in value.items()])
        case list() | tuple():
            return [_plain(item, level + 1) for item in value]
        case _:
            return _as_string(value)


def _member(key: object, item: object, level: int) -> tuple[str, Any]:
    if isinstance(key, str):
        return str.__str__(key), _plain(item, level + 1)
    return str(key), _Refused(f"the key is of type {type(key).__name__}. Keys must be strings: use str(key).")


def _as_string(value: object) -> str | _Refused:
    match value:
        case Decimal() if not value.is_finite():
            return _constant(str(value))
        case Decimal():
            return format(value, "f") if abs(value.adjusted()) < 400 else str(value)
        case datetime() if value.tzinfo is None:
            return _Refused("is a datetime without a time zone. Make it aware, for example with timezone.now().")
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return _Refused(f"is of type {type(value).__name__}, which has no JSON form. Convert it to a string first.")


# --- writing, and naming the place of what was refused


def _stumble(_: object) -> NoReturn:
    raise _PlaceholderMet


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_stumble
)


def _encode(tree: Any, root: str) -> str:
    try:
        text = _ENCODER.encode(tree)
    except _PlaceholderMet:
        _refuse_first(tree, root)
        text = _write(tree)
    if "\\u0000" in text or not (text.isascii() or _is_utf8(text)):
        _refuse_first(tree, root)
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write(value: Any) -> str:
    """Write a tree that holds a ``_Tiny``: the C encoder offers no way to pass a number's text through."""
    match value:
        case _Tiny():
            return value.text
        case dict():
            return "{" + ",".join(f"{encode_basestring(key)}:{_write(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_write, value)) + "]"
        case _:
            return _ENCODER.encode(value)


def _is_deeper(value: Any, levels: int) -> bool:
    if type(value) is dict:
        value = value.values()
    elif type(value) is not list:
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)


def _refuse_first(tree: Any, root: str) -> None:
    """Raise for the first refused value of the tree, if there is one."""
    for path, message in _refusals(tree, root, 1):
        raise InvalidPayload(path, message)


def _refusals(value: Any, path: str, level: int) -> Iterator[tuple[str, str]]:
    match value:
        case _Refused():
            yield path, value.message
        case str() if "\0" in value:
            yield path, _NUL
        case str() if _SURROGATE.search(value):
            yield path, _LONE_SURROGATE
        case dict() | list() if level > MAX_DEPTH:
            yield path, _TOO_DEEP
        case dict():
            for key, item in value.items():
                yield from _refusals(key, f"{path} (a key)", level)
                yield from _refusals(item, path + _step(key), level + 1)
        case list():
            for index, item in enumerate(value):
                yield from _refusals(item, f"{path}[{index}]", level + 1)


def _step(key: str) -> str:
    return f".{key}" if len(key) <= _SHOWN_CHARS and _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(_shown(key))}]"


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
