"""The log as a file, streamed a few hundred rows at a time, as the list's pages are read."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, IGNORED_PARAMS, PAGE_VAR, SEARCH_VAR
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase

from deliveries.admin.keyset_pages import NEXT, PREVIOUS, CursorChangeList
from deliveries.admin.open_exports import OpenExport, TooManyExports
from deliveries.db.sessions import borrowed
from deliveries.models import Delivery
from subscriptions.admin import declared
from subscriptions.conf import settings
from subscriptions.filters import in_utc, says_nothing

COLUMNS = (
    "created_at",
    "id",
    "event",
    "event_type",
    "resource_id",
    "webhook",
    "webhook_name",
    "url",
    "status",
    "outcome",
    "reason",
    "http_status",
    "error",
    "response_ms",
    "attempts",
    "last_attempt_at",
)
FORMULA_STARTS = frozenset("=+-@")
"""A spreadsheet would run a cell that starts so, in their full-width forms, too; it gets an apostrophe before it."""
_pieces = re.compile(r"([;\t\r\n])")
_splits = re.compile(r'[,;"\t\r\n]')
CUT = "Cut after {most:,} rows: choose a shorter time, or filter further, for the rest."
"""What the last row says where not all rows are in the file."""
SEARCHED = "The search stopped early: text of what was published before {when} was not looked for."
"""What the last row says where a search didn't read all payloads."""
ALL = ALL_VAR
"""The word of an address that means the whole log: `all=true`. Lists take it for no filter."""
_PLACES = (NEXT, PREVIOUS, PAGE_VAR)
_NO_FILTERS = {*_PLACES, ERROR_FLAG, *IGNORED_PARAMS} - {SEARCH_VAR}
"""Parameters of a list that keep no row out."""
STATEMENT_SECONDS = 60.0
"""What one read of an export may take: nobody waits for its page."""
ROWS_A_FETCH = 500
"""Rows read at a time; between two reads no connection to the database is held, however slowly the file is fetched."""


def log(
    request: HttpRequest, changelist: CursorChangeList, kind: str, *, reached: datetime | None = None
) -> HttpResponseBase:
    """Stream what a list of deliveries selects, newest first, as `csv` or `json` (an array).

    WEBHOOKS_EXPORT_ROWS_MAX rows at most; where more follow, the last row says so, and where the search stopped early:
    at the moment `reached`. Who has too many open already is told so (429).
    """
    changelist.queryset = changelist.queryset.select_related("webhook", "event").defer("event__data")
    records = _records(changelist, settings.WEBHOOKS_EXPORT_ROWS_MAX)
    if reached is not None:
        records = chain(records, [_note(SEARCHED.format(when=in_utc(reached)))])
    lines = _csv(records) if kind == "csv" else _json(records)
    content_type = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
    try:
        counted = OpenExport(lines, request)
    except TooManyExports as error:
        return error.answer()
    return StreamingHttpResponse(
        counted, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="deliveries.{kind}"'}
    )


def blank(query: QueryDict) -> list[str]:
    """Return the names of the filters that a query leaves blank."""
    return [name for name, values in query.lists() if any(map(says_nothing, values))]


def link(changelist: CursorChangeList, query: QueryDict) -> str:
    """Return the query that exports what a list shows: the filters that have a value, or the word for all.

    Forms of the page send blank ones, too.
    """
    without: dict[str, Any] = dict.fromkeys([*blank(query), *_PLACES])
    is_filtered = any(name not in without and name not in _NO_FILTERS for name in query)
    return changelist.get_query_string(without if is_filtered else without | {ALL: "true"})


def refusal(kind: str, query: QueryDict) -> HttpResponse | None:
    """Return the answer (422) to an export that doesn't say which rows it means; None to one that does.

    Neither a filter without a value nor an address without filters must mean every row. Raises Http404 for another kind
    than csv and json.
    """
    if kind not in {"csv", "json"}:
        raise Http404("Exports are csv or json.")
    if names := blank(query):
        told = f"the address names {', '.join(names)} without a value. Give one, or leave it out."
    elif query.get(ALL, "true") != "true":
        told = f"{ALL} is either true, or left out."
    elif ALL not in query and not any(name not in _NO_FILTERS for name in query):
        told = f"the address names no filter. Give one, or {ALL}=true for the whole log."
    else:
        return None
    return _refused(told)


def unknown_values(changelist: CursorChangeList) -> HttpResponse | None:
    """Return the answer (422) to an export by values that the list's filters don't know; None where they know all."""
    told = " ".join(declared.problems(changelist.filter_specs))
    return _refused(told) if told else None


def _refused(told: str) -> HttpResponse:
    return HttpResponse(f"Nothing was exported: {told}", status=422, content_type="text/plain; charset=utf-8")


def _records(changelist: CursorChangeList, most: int) -> Iterator[tuple[Any, ...]]:
    """Yield a record a row, and a last one with a sentence in its first column where `most` were not all."""
    left, goes_on = most, None
    while True:
        with borrowed(seconds=None):
            size = min(ROWS_A_FETCH, left)
            rows, goes_on = changelist.walk(goes_on, descending=True, size=size, seconds=STATEMENT_SECONDS)
            records = list(_values(rows))
        yield from records
        left -= len(rows)
        if goes_on is None:
            return
        if left <= 0:
            yield _note(CUT.format(most=most))
            return


def _note(told: str) -> tuple[Any, ...]:
    """Return a last row that says what the rows before it lack."""
    return (told, *[None] * (len(COLUMNS) - 1))


def _values(rows: Iterable[Delivery]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield (
            row.created_at.isoformat(),
            row.public_id,
            row.event.public_id,
            row.event_type,
            row.event.resource_id,
            row.webhook.public_id,
            row.webhook.name,
            row.webhook.place,
            row.status,
            row.get_status_display(),
            row.reason,
            row.last_status_code,
            row.last_error,
            None if row.response_ms is None else round(row.response_ms),
            row.attempt_count,
            row.last_attempt_at.isoformat() if row.last_attempt_at else None,
        )


def _csv(records: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    yield _line(COLUMNS)
    for record in records:
        yield _line(_harmless(value) for value in record)


def _line(values: Iterable[Any]) -> str:
    """Return a line of CSV. What some program takes for a separator is quoted, too, which csv.writer doesn't do."""
    texts = ("" if value is None else str(value) for value in values)
    quoted = ('"' + text.replace('"', '""') + '"' if _splits.search(text) else text for text in texts)
    return ",".join(quoted) + "\r\n"


def _harmless(value: Any) -> Any:
    """Return a cell's value as a spreadsheet shows it and runs nothing.

    Where lists are written with semicolons (Excel in German or French), a quote amid a line holds nothing together: a
    value is cut at its semicolons, tabs and line ends, and each piece is a cell.
    """
    if not isinstance(value, str) or not value:
        return value
    first, *others = _pieces.split(value)
    start = "'" if _is_formula(first) or value[0] in "\t\r\n" or (not _seen(first) and _is_formula(value)) else ""
    found = [start + first]
    for separator, piece in zip(others[::2], others[1::2], strict=True):
        found += [separator, "'" if _is_formula(piece.replace('"', "")) else "", piece]
    return "".join(found)


def _is_formula(text: str) -> bool:
    return unicodedata.normalize("NFKC", _seen(text))[:1] in FORMULA_STARTS


def _seen(text: str) -> str:
    """Return the first letter that programs don't skip: no separator (Z…), control or format (C…), or mark (M…)."""
    return next((letter for letter in text if unicodedata.category(letter)[0] not in "ZCM"), "")


def _json(records: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    start = "[\n"
    for record in records:
        yield start + json.dumps(dict(zip(COLUMNS, record, strict=True)), ensure_ascii=False)
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"
