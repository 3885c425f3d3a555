"""The oldest servers that the product runs on; docs/operations.md lists them."""

from __future__ import annotations

from typing import Any, Final

POSTGRESQL_MIN: Final = (14,)
REDIS_MIN: Final = (6, 2)
RABBITMQ_MIN: Final = (3, 10)


def parsed(version: Any) -> tuple[int, ...]:
    """Return a version's numbers: (7, 2, 4) of "7.2.4-rc1"; nothing where it says nothing."""
    numbers = []
    for part in str(version).split("-")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def is_old(version: Any, least: tuple[int, ...]) -> bool:
    """Tell whether a version is known and older than the oldest that will do."""
    numbers = parsed(version)
    return bool(numbers) and numbers < least


def shown(version: tuple[int, ...]) -> str:
    """Return a version as it is written."""
    return ".".join(map(str, version))
