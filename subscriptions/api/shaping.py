"""What callers may choose of an answer: only some fields (`fields=id,status`), nothing when they have it (ETags)."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from rest_framework.request import Request

from subscriptions.api.errors import InvalidQuery, PreconditionFailed
from subscriptions.api.rendering import Renderer

PARAMETER: Final = "fields"
_OURS: Final = re.compile(r'^(?:W/)?("[0-9a-f]{32})(?:[-;:]{1,2}(?:gzip|br|deflate|zstd))?(")$')
"""An entity tag of ours. Proxies that compress make it weak (nginx), or add a word to it (Apache, Jetty)."""


def chosen_fields(request: Request) -> list[str]:
    """Return the top-level fields that the query chooses; empty for all of them."""
    raw = request.query_params.get(PARAMETER, "")
    return [name.strip() for name in raw.split(",") if name.strip()]


def check_fields(request: Request, known: list[str]) -> None:
    """Raise InvalidQuery (400) when the query chooses a field that isn't among `known`."""
    unknown = [name for name in chosen_fields(request) if name not in known]
    if unknown:
        raise InvalidQuery({PARAMETER: [f"{unknown[0][:60]!r} is no field here. There are: {', '.join(known)}."]})


def reduce(data: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Keep only the named fields of a resource; all of them where none is named."""
    return {name: data[name] for name in names} if names else data


def reduce_rows(page: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Keep only the named fields of each resource of a page."""
    return page | {"results": [reduce(row, names) for row in page["results"]]}


def etag_of(data: Any) -> str:
    """Return the entity tag (RFC 9110, section 8.8.3) of a resource's whole representation."""
    return f'"{hashlib.sha256(Renderer().render(data)).hexdigest()[:32]}"'


def has_it(request: Request, etag: str) -> bool:
    """Tell whether the caller already holds this representation (If-None-Match)."""
    return _names(request.META.get("HTTP_IF_NONE_MATCH", ""), etag)


def has_condition(request: Request) -> bool:
    """Tell whether the caller sent If-Match."""
    return bool(request.META.get("HTTP_IF_MATCH", ""))


def check_match(request: Request, data: Any) -> None:
    """Raise PreconditionFailed (412) when the caller's If-Match names another state than `data`."""
    wanted = request.META.get("HTTP_IF_MATCH", "")
    if wanted and not _names(wanted, etag_of(data)):
        raise PreconditionFailed


def _names(header: str, etag: str) -> bool:
    """Tell whether a header names an entity tag of ours, also as proxies that compress change it."""
    tags = [_OURS.sub(r"\1\2", tag.strip()) for tag in header.split(",")]
    return etag in tags or "*" in tags
