"""Following a list: pages of what is new, the oldest first, that miss nothing when a transaction commits late.

Keys are handed out when a row is written, and rows are seen when they are committed: past the newest key that is seen,
smaller ones may still come. So a page ends at a key that was handed out before every open transaction that writes to
the table (docs/adr/0023). Nothing is stored for that, in rows or elsewhere.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.db.statements import load
from subscriptions.api import pagination, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.errors import InvalidQuery
from subscriptions.api.serializers import ApiSerializer

_SQL = load(__file__, "following.sql")

PARAMETER: Final = "follow"
WORDS: Final = ("all", "new")
POLLED: Final = frozenset({"created_at_min", "since"})
"""Parameters by which a list is asked again and again, from the newest time seen."""
WAIT_SECONDS: Final = 0.25
"""How long a page waits for transactions that were open when it was asked for; the engine's take milliseconds."""
_PAUSE_SECONDS: Final = 0.01
_WRITERS_MAX: Final = 200
"""Open transactions that a cursor remembers; where there are more, the next page looks anew."""
CURSOR: Final = r"^([ab][0-9]{1,18}|f[0-9]{1,18}(\.[0-9]{1,18}(\.-?[0-9]{1,10}-[0-9]{1,10}){1,200})?)$"
_POSITION: Final = re.compile(CURSOR, re.ASCII)

PARAMETERS: Final = [
    OpenApiParameter(
        "cursor", {"type": "string", "pattern": CURSOR}, description="From `next` or `previous` of another page."
    ),
    OpenApiParameter(
        PARAMETER,
        {"type": "string", "enum": list(WORDS)},
        description="Begin to follow the list, the oldest first: `all` of it, or what is written from now on (`new`). "
        "`next` is then never null: ask it again later, and no row is missed, however late its transaction commits. "
        "With a cursor it changes nothing.",
    ),
]


@dataclass(frozen=True, slots=True)
class Sample:
    """The last key that was handed out at a moment, and the transactions that were open after it.

    Once none of these is open, every row up to the key is seen or will never be.
    """

    key: int
    writers: frozenset[str]


def _is_followed(request: Request) -> bool:
    cursor = request.query_params.get("cursor")
    return PARAMETER in request.query_params if cursor is None else cursor.startswith("f")


def pages(view: ApiView, rows: QuerySet[Any], shape: type[ApiSerializer]) -> Response:
    """Return a page of a list, or the next rows of one that is followed, as `{"next", "previous", "results"}`.

    The latter may hold none although some are new: while a transaction that writes to the table stays open. Of a list
    that is asked by time (POLLED) what is younger than the oldest open transaction is left out: who asks next from the
    newest time seen misses nothing that commits later under an older one. Raises InvalidQuery (400).
    """
    if not _is_followed(view.request):
        if POLLED & view.request.query_params.keys():
            rows = rows.filter(created_at__lt=_settled_moment())
        return view.pages(rows, shape)
    response = _page(view.request, rows, shape().to_representation)
    response.data = shaping.reduce_rows(response.data, shaping.chosen_fields(view.request))
    return response


def _page(request: Request, rows: QuerySet[Any], represent: Callable[[Any], Any]) -> Response:
    limit = pagination.limit_of(request)
    position, earlier = _begin(request, rows)
    table = rows.model._meta.db_table
    now = _sample(table)
    settled = max((one for one in (now, earlier) if one and not one.writers), key=lambda one: one.key, default=None)
    if settled is None:  # the older one is settled sooner, whatever begins meanwhile
        return _answer(request, _cursor(position, earlier or now), [])
    found = list(rows.filter(pk__gt=position, pk__lte=settled.key).order_by("pk")[: limit + 1])
    reached = found[limit - 1].pk if len(found) > limit else max(position, settled.key)
    return _answer(request, _cursor(reached, now if now.writers else None), [represent(row) for row in found[:limit]])


def _begin(request: Request, rows: QuerySet[Any]) -> tuple[int, Sample | None]:
    """Return the key after which the page begins, and what the page before remembered with what is left of it."""
    raw = request.query_params.get("cursor")
    if raw is None:
        word = request.query_params[PARAMETER]
        if word not in WORDS:
            raise InvalidQuery({PARAMETER: [f"Give one of {', '.join(WORDS)}."]})
        return (0 if word == "all" else _last_key(rows.model._meta.db_table)), None
    if not _POSITION.fullmatch(raw):
        raise InvalidQuery({"cursor": [pagination.NO_CURSOR]})
    position, *rest = raw[1:].split(".")
    if not rest:
        return int(position), None
    writers = frozenset("/".join(one.rsplit("-", 1)) for one in rest[1:])
    return int(position), Sample(int(rest[0]), writers & _writers(rows.model._meta.db_table))


def _last_key(table: str) -> int:
    return _fetch("last_key", table)[0][0]


def _writers(table: str) -> frozenset[str]:
    return frozenset(name for (name,) in _fetch("writers", table))


def _sample(table: str) -> Sample:
    """Return what was handed out and written before this moment, and which of the writers are open after some time."""
    key, until = _last_key(table), time.monotonic() + WAIT_SECONDS
    writers = _writers(table)
    while writers and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
        writers &= _writers(table)
    return Sample(key, writers)


def _settled_moment() -> datetime:
    """Return the moment before which every row was committed, or never will be; a row bears its transaction's begin."""
    [[asked]] = _fetch("clock", "")
    until = time.monotonic() + WAIT_SECONDS
    while True:
        [[oldest]] = _fetch("oldest_transaction", "")
        if oldest is None or oldest >= asked or time.monotonic() >= until:
            return min(asked, oldest or asked)
        time.sleep(_PAUSE_SECONDS)


def _fetch(name: str, table: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_SQL[name], {"table": table})
        return cursor.fetchall()


def _cursor(position: int, sample: Sample | None) -> str:
    if sample is None or not 0 < len(sample.writers) <= _WRITERS_MAX:
        return f"f{position}"
    names = ["-".join(one.rsplit("/", 1)) for one in sorted(sample.writers)]
    return ".".join([f"f{position}", str(sample.key), *names])


def _answer(request: Request, cursor: str, results: list[Any]) -> Response:
    return Response({"next": pagination.link(request, cursor), "previous": None, "results": results})
