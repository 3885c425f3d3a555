"""The log as a file, streamed row by row: a million rows take no memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse

from deliveries.models import Delivery

COLUMNS = (
    "created_at",
    "id",
    "event",
    "event_type",
    "webhook",
    "url",
    "status",
    "reason",
    "http_status",
    "error",
    "response_ms",
    "attempts",
    "last_attempt_at",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that starts so; it gets an apostrophe before it."""
ROWS_A_FETCH = 500


class _Echo:
    """A file that hands back what is written."""

    def write(self, text: str) -> str:
        return text


def log(request: HttpRequest, rows: QuerySet[Delivery], kind: str) -> StreamingHttpResponse:
    """Stream deliveries, newest first, as `csv` or `json` (an array). Raises Http404 for any other kind."""
    if kind not in {"csv", "json"}:
        raise Http404("Exports are csv or json.")
    rows = rows.select_related("webhook", "event").defer("event__data")
    lines = _csv(_records(rows)) if kind == "csv" else _json(_records(rows))
    content_type = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
    return StreamingHttpResponse(
        lines, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="deliveries.{kind}"'}
    )


def _records(rows: QuerySet[Delivery]) -> Iterator[tuple[Any, ...]]:
    for row in rows.iterator(ROWS_A_FETCH):
        yield (
            row.created_at.isoformat(),
            row.public_id,
            row.event.public_id,
            row.event_type,
            row.webhook.public_id,
            row.webhook.url,
            row.status,
            row.reason,
            row.last_status_code,
            row.last_error,
            row.response_ms,
            row.attempt_count,
            row.last_attempt_at.isoformat() if row.last_attempt_at else None,
        )


def _csv(records: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for record in records:
        yield writer.writerow([_harmless(value) for value in record])


def _harmless(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _json(records: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    start = "[\n"
    for record in records:
        yield start + json.dumps(dict(zip(COLUMNS, record, strict=True)), ensure_ascii=False)
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"
