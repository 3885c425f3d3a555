"""Links of the OpenAPI document: where the id in an answer leads, so that programs can follow it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_ONE: Final = "/{id}"


def add_links(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Link each operation that makes or lists a resource to those that take its id (a drf-spectacular hook)."""
    for path, operations in result["paths"].items():
        targets = list(_operations_below(result["paths"], path + _ONE))
        source = _source(operations) if targets else None
        if source is not None:
            answer, expression = source
            answer["links"] = {
                target["operationId"]: {
                    "operationId": target["operationId"],
                    "parameters": {"id": expression},
                    "description": f"The `id` of this answer, for: {target['summary']}.",
                }
                for target in targets
            }
    return result


def _operations_below(paths: dict[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    for path, operations in paths.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            yield from (operations[method] for method in _METHODS if method in operations)


def _source(operations: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return the answer whose id is followed, and where it stands: what POST makes, else a list's first row."""
    made = operations.get("post", {}).get("responses", {}).get("201")
    if made is not None:
        return made, "$response.body#/id"
    listed = operations.get("get", {}).get("responses", {}).get("200")
    return None if listed is None else (listed, "$response.body#/results/0/id")
