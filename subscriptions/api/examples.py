"""Examples for the OpenAPI document: operation id → what is sent and what comes back."""

from __future__ import annotations

from typing import Any

_EXAMPLES: dict[str, dict[str, Any]] = {}


def example_of(operation: str, kind: str) -> Any:
    """Return the example `request` or `response` of an operation, None where it has none."""
    return _EXAMPLES.get(operation, {}).get(kind)


def register(examples: dict[str, dict[str, Any]]) -> None:
    """Add examples of another app's operations."""
    _EXAMPLES.update(examples)
