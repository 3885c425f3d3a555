"""Cursor pages by identity: stable while rows are added, and as quick on the last page as on the first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.errors import InvalidQuery

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
PARAMETERS: Final = ("cursor", "limit")

CURSOR: Final = r"^[ab][0-9]{1,18}$"
"""After ("a") or before ("b") a primary key; callers take it as it comes."""
NO_CURSOR: Final = "This is no cursor of ours. Take it from `next` or `previous` unchanged."
_POSITION: Final = re.compile(r"([ab])([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Merged:
    """Rows of several querysets of a model as one list, in one statement.

    Each is read by the key in an index of its own, as far as the page goes: where one condition for all would have no
    index, the cost stays that of a page.

    Attributes:
        rows: What the page shows of a row.
        parts: Which rows; none may be in two of them.
    """

    rows: QuerySet[Any]
    parts: tuple[QuerySet[Any], ...]

    def filter(self, **conditions: Any) -> Merged:
        """Return those of the rows that the conditions keep."""
        return replace(self, parts=tuple(part.filter(**conditions) for part in self.parts))

    def first(self, count: int, order: str) -> list[Model]:
        """Return at most so many, the first in this order of the key."""
        first, *others = (part.order_by(order).values("pk")[:count] for part in self.parts)
        return list(self.rows.filter(pk__in=first.union(*others, all=True)).order_by(order)[:count])


def page(
    request: Request,
    rows: QuerySet[Any] | Merged,
    represent: Callable[[Any], Any],
    *,
    newest_first: bool = True,
) -> Response:
    """Return one page as `{"next", "previous", "results"}`, by the query's `cursor` and `limit`.

    Pages go by the primary key: newest first unless told otherwise. Raises InvalidQuery (400).
    """
    limit = limit_of(request)
    direction, key = _position(request)
    # "a": after the key in the list's order; "b": before it, read backwards and turned round.
    backwards = direction == "b"
    descending = newest_first != backwards
    if key is not None:
        rows = rows.filter(**{"pk__lt" if descending else "pk__gt": key})
    order = "-pk" if descending else "pk"
    found = rows.first(limit + 1, order) if isinstance(rows, Merged) else list(rows.order_by(order)[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found.reverse()
    has_next = bool(found) and (more or backwards)
    has_previous = bool(found) and (key is not None if not backwards else more)
    return Response(
        {
            "next": link(request, f"a{found[-1].pk}") if has_next else None,
            "previous": link(request, f"b{found[0].pk}") if has_previous else None,
            "results": [represent(row) for row in found],
        }
    )


def limit_of(request: Request) -> int:
    """Return the rows a page may have. Raises InvalidQuery (400)."""
    raw = request.query_params.get("limit", str(PAGE_DEFAULT))
    if not (raw.isascii() and raw.isdigit() and len(raw) < 6 and 1 <= int(raw) <= PAGE_MAX):
        raise InvalidQuery({"limit": [f"Give a whole number from 1 to {PAGE_MAX}."]})
    return int(raw)


def _position(request: Request) -> tuple[str, int | None]:
    raw = request.query_params.get("cursor")
    if raw is None:
        return "a", None
    match = _POSITION.fullmatch(raw)
    if match is None:
        raise InvalidQuery({"cursor": [NO_CURSOR]})
    return match[1], int(match[2])


def link(request: Request, cursor: str) -> str:
    """Return the address of the page that a cursor leads to, with the rest of the query."""
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{urlencode(list(query.lists()), doseq=True)}")
