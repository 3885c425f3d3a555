"""Python data as the tree that `json`'s scanner would have made of their JSON.

What has no JSON form stays in the tree as a `deliveries.payloads.ecmascript.Refused`.
"""

import enum
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from deliveries.payloads import ecmascript
from deliveries.payloads.ecmascript import Refused


class TooDeep(Exception):
    """Python data go on below the last level, perhaps because they contain themselves."""


def plain(value: object, levels: int) -> Any:
    """Return the tree that the scanner would have made of ``value``.

    Args:
        value: Any Python data.
        levels: How many levels of mappings and lists it may have.

    Raises:
        TooDeep: It has more.
    """
    match value:
        case enum.Enum():
            return plain(value.value, levels)
        case str() | bool() | None:
            return value
        case int():
            return ecmascript.integer(int(value))
        case float():
            return ecmascript.float_number(float(value)) if math.isfinite(value) else ecmascript.constant(str(value))
        case Mapping() | list() | tuple() if levels == 0:
            raise TooDeep
        case Mapping():
            return ecmascript.members([_member(key, item, levels) for key, item in value.items()])
        case list() | tuple():
            return [plain(item, levels - 1) for item in value]
        case _:
            return _as_string(value)


def _member(key: object, item: object, levels: int) -> tuple[str, Any]:
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, str):
        return key, plain(item, levels - 1)
    return str(key), Refused(f"the key is of type {type(key).__name__}. Keys must be strings: use str(key).")


def _as_string(value: object) -> str | Refused:
    match value:
        case Decimal() if not value.is_finite():
            return ecmascript.constant(str(value))
        case Decimal():
            return format(value, "f") if abs(value.adjusted()) < 400 else str(value)
        case datetime() if value.utcoffset() is None:
            return Refused("is a datetime without a time zone. Make it aware, for example with timezone.now().")
        case datetime():
            return _instant(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return Refused(f"is of type {type(value).__name__}, which has no JSON form. Convert it to a string first.")


def _instant(value: datetime) -> str | Refused:
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        return Refused(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC. Send it as a string.")
