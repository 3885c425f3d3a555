"""Values as filters compare them: amounts in text count as numbers where both sides look like numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

NUMBER_MAX: Final = 64
"""Characters of the longest text that counts as a number."""
SHOWN_MAX: Final = 60
"""Characters of a value that a sentence repeats."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)


class Unordered(ValueError):
    """Two values have no order; the text says which."""


def number(value: Any) -> Decimal | None:
    """Return a number, or a text that reads as one (`49.99`, `-3`, `1e3`), exactly; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        found = Decimal(repr(value))
        return found if found.is_finite() else None
    if isinstance(value, str) and len(value) <= NUMBER_MAX and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def ordered(left: Any, right: Any) -> tuple[Any, Any]:
    """Return both sides as Python can order them: as numbers where both look like numbers, else as texts.

    Raises Unordered for anything else: nothing is more or less than what is missing, true or a list.
    """
    numbers = number(left), number(right)
    if None not in numbers:
        return numbers
    if isinstance(left, str) and isinstance(right, str):
        return left, right
    raise Unordered(f"{shown(left)} and {shown(right)} can't be compared")


def keys(values: Sequence[Any]) -> list[Any]:
    """Return what to order these values by: numbers where all look like numbers, texts where all are texts.

    Raises Unordered naming the first that is neither.
    """
    numbers = [number(value) for value in values]
    if None not in numbers:
        return numbers
    if all(isinstance(value, str) for value in values):
        return list(values)
    other = next((value for value in values if not isinstance(value, str) and number(value) is None), values[0])
    raise Unordered(f"{shown(other)} can't be put in order with the others")


def equal(left: Any, right: Any, step: Callable[[], None]) -> bool:
    """Say whether two values are the same.

    A number equals a text that reads as the same number (`49.99` and `"49.99"`, `"49.990"`). Two texts are compared
    as texts: `"007"` is not `"7"`, since numbers of orders and postcodes are texts.

    Args:
        left: A JSON value.
        right: Another.
        step: Called for each pair compared; may raise.
    """
    step()
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(equal(*pair, step) for pair in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key], step) for key in left)
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    numbers = number(left), number(right)
    return None not in numbers and numbers[0] == numbers[1]


def text(value: Any, step: Callable[[], None], build: Callable[[int], None]) -> str:
    """Return a value as compact JSON. Its length is charged before it is written, a repeated part each time.

    Args:
        value: A JSON value, of which parts may stand in several places.
        step: Called for each part; may raise.
        build: Called with a number of characters; may raise.
    """
    waiting = [value]
    while waiting:
        part = waiting.pop()
        step()
        if isinstance(part, dict):
            build(sum(len(key) + 4 for key in part) + 2)
            waiting.extend(part.values())
        elif isinstance(part, list):
            build(len(part) + 2)
            waiting.extend(part)
        else:
            build(len(part) + part.count("\\") + part.count('"') + 2 if isinstance(part, str) else 8)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def shown(value: Any) -> str:
    """Return a value as a sentence repeats it: JSON, cut after SHOWN_MAX characters, or that it is missing."""
    if value is None:
        return "missing"
    if isinstance(value, (list, dict)):
        kind = "list" if isinstance(value, list) else "object"
        return f"{'a' if kind == 'list' else 'an'} {kind}" if value else f"an empty {kind}"
    try:
        written = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return "an expression"
    return written if len(written) <= SHOWN_MAX else written[:SHOWN_MAX] + "…"
