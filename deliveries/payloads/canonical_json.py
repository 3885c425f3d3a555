"""One canonical JSON: the text that `JSON.stringify(JSON.parse(text))` gives in ECMAScript (ECMA-262, 25.5).

Receivers of the Alva and Litestore documents verify signatures over a body they parsed and serialised again in Node,
so what is sent must already be in that form. Whatever would change or be lost on that way is refused here, with the
place and the fix.

The C scanner and encoder of `json` do the work, with the hooks of `deliveries.payloads.ecmascript` for numbers and
objects. Those leave a `Refused` where a value cannot stand; the encoder stumbles over it, and only then is the tree
walked to name the path.
"""

import json
import re
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

from deliveries.payloads import ecmascript
from deliveries.payloads.ecmascript import Refused, TinyNumber, shown
from deliveries.payloads.python_data import TooDeep, plain

MAX_DEPTH: Final = 64
"""Levels of objects and arrays a payload may have; `{}` has one."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_SHOWN_PATH: Final = 160
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_SYNTAX_MEND: Final = "Strings and keys take double quotes; no comments, and no comma after the last item."
_TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of nesting. Flatten the data."
_NUL: Final = "contains the character U+0000, which databases and many receivers cannot keep. Remove it."
_LONE_SURROGATE: Final = (
    "contains half of a surrogate pair, which is no character. Send the whole pair, or the character in UTF-8."
)


class InvalidPayload(ValueError):
    """Data that cannot be sent: `path` says where, `message` what is wrong and how to fix it.

    `path` is like `data.order.items[3].price`, or `line 3, column 7 (byte 52)` where the text is not JSON.
    Lines and columns count from 1, bytes from 0.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class _PlaceholderMet(Exception):
    """The encoder met a `Refused` or a `TinyNumber`."""


def canonical(text: str | bytes, *, root: str = "data", max_bytes: int | None = None) -> str:
    """Return the canonical form of a JSON text.

    Args:
        text: JSON (RFC 8259) as text or UTF-8 bytes, without a byte order mark.
        root: What the top of the document is called in error paths.
        max_bytes: Refuse a longer input unread; its length counts as given, before white space is dropped.

    Raises:
        InvalidPayload: For anything that is not JSON or that ECMAScript would change.
    """
    return _encode(_parse(text, root, max_bytes), root)


def canonical_object(text: str | bytes, *, root: str = "data", max_bytes: int | None = None) -> str:
    """Like `canonical`, and refuse anything but an object at the top."""
    tree = _parse(text, root, max_bytes)
    result = _encode(tree, root)
    if type(tree) is not dict:
        raise InvalidPayload(root, f'must be a JSON object, but is {_kind(tree)}. Wrap it: {{"value": …}}.')
    return result


def dump(value: object, *, root: str = "data") -> str:
    """Return the canonical JSON of Python data.

    Mappings with text keys, lists, tuples, str, int, float, bool and None stand for themselves. Decimals become
    strings in plain notation, aware datetimes ISO 8601 in UTC with `Z`, dates ISO 8601, UUIDs strings, enum members
    their values.

    Raises:
        InvalidPayload: For any other type, a naive datetime, and what `canonical` refuses.
    """
    try:
        return _encode(plain(value, MAX_DEPTH), root)
    except TooDeep:
        raise InvalidPayload(root, f"{_TOO_DEEP} It must not contain itself either.") from None


_DECODER: Final = json.JSONDecoder(
    parse_int=ecmascript.integer_token,
    parse_float=ecmascript.float_token,
    parse_constant=ecmascript.constant,
    object_pairs_hook=ecmascript.members,
)


def _parse(text: str | bytes, root: str, max_bytes: int | None) -> Any:
    if max_bytes is not None and len(text) > max_bytes:
        raise InvalidPayload(root, f"is larger than {max_bytes} bytes. Send less, or a link to the rest.")
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        tree = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        message = f"byte 0x{error.object[error.start]:02x} is not valid UTF-8. Encode the body as UTF-8."
        raise InvalidPayload(_position(before, len(before)), message) from None
    except json.JSONDecodeError as error:
        raise InvalidPayload(_position(error.doc, error.pos), _syntax_message(error)) from None
    except RecursionError:
        raise InvalidPayload(root, _TOO_DEEP) from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(tree, MAX_DEPTH):
        _refuse_first(tree, root)
    return tree


def _position(text: str, index: int) -> str:
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    return f"line {line}, column {column} (byte {len(text[:index].encode('utf-8', 'surrogatepass'))})"


def _syntax_message(error: json.JSONDecodeError) -> str:
    if error.doc.startswith("\ufeff"):
        return "the text starts with a byte order mark. Send UTF-8 without one."
    if not error.doc.strip():
        return "the text is empty. Send a JSON object."
    return f"not valid JSON: {error.msg.removesuffix(' at')}. {_SYNTAX_MEND}"


def _kind(value: object) -> str:
    return {str: "a string", bool: "a boolean", type(None): "null", list: "an array"}.get(type(value), "a number")


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
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse_first(tree, root)
    if "\\u0000" in text:  # NUL, or the six characters of its escape after a backslash
        _refuse_first(tree, root)
    return text


def _write(value: Any) -> str:
    """Write a tree that holds a `TinyNumber`: the C encoder offers no way to pass a number's text through."""
    match value:
        case TinyNumber():
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
        short = path if len(path) <= _SHOWN_PATH else f"{path[: _SHOWN_PATH // 2]}…{path[-_SHOWN_PATH // 2 :]}"
        raise InvalidPayload(short, message)


def _refusals(value: Any, path: str, level: int) -> Iterator[tuple[str, str]]:
    match value:
        case Refused():
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
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(shown(key))}]"
