"""The log's lines: what is kept of each attempt. A column of the log is changed here, and in the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from deliveries.database import insert_rows
from deliveries.judging import Judged
from deliveries.lanes import WORKER_ID
from deliveries.masking import masked
from deliveries.models import Attempt
from deliveries.sender import Sent

_COLUMNS = {
    "delivery_id": "bigint",
    "webhook_id": "bigint",
    "number": "int",
    "result": "text",
    "started_at": "timestamptz",
    "answered_at": "timestamptz",
    "lateness_ms": "float8",
    "status_code": "int",
    "error": "text",
    "detail": "text",
    "decision": "text",
    "next_at": "timestamptz",
    "url": "text",
    "request_headers": "text",
    "request_size": "int",
    "request_digest": "text",
    "response_headers": "text",
    "response_body": "bytea",
    "response_size": "int",
    "response_truncated": "bool",
    "dns_ms": "float8",
    "connect_ms": "float8",
    "tls_ms": "float8",
    "first_byte_ms": "float8",
    "total_ms": "float8",
    "remote_address": "text",
    "reused_connection": "bool",
    "worker": "text",
}


def write(judged: Sequence[Judged]) -> None:
    """Add a line for each outcome, inside the recorder's transaction; one statement."""
    insert_rows("deliveries_attempt", _COLUMNS, [_line(each) for each in judged])


def _line(each: Judged) -> tuple[object, ...]:
    """Return the log's line, in the order of _COLUMNS."""
    sent, outcome, row = each.sent, each.sent.outcome, each.sent.row
    body = sent.request.body if sent.request else b""
    return (
        row.delivery_id,
        row.target.webhook_id,
        row.attempt,
        (Attempt.Result.DELIVERED if outcome.delivered else Attempt.Result.FAILED).value,
        each.started_at,
        each.answered_at,
        (each.started_at - row.due_at).total_seconds() * 1000,
        outcome.status_code,
        str(outcome.error or ""),
        outcome.detail,
        each.decision.reason,
        each.next_at,
        row.target.url,
        _logged_headers(sent),
        len(body),
        hashlib.sha256(body).hexdigest() if body else "",
        json.dumps(outcome.headers),
        outcome.body,
        outcome.body_bytes_read,
        outcome.body_truncated,
        outcome.dns_ms,
        outcome.connect_ms,
        outcome.tls_ms,
        outcome.first_byte_ms,
        outcome.total_ms,
        outcome.remote_address or "",
        outcome.reused_connection,
        WORKER_ID,
    )


def _logged_headers(sent: Sent) -> str:
    """Return the request's headers as JSON pairs, secrets masked."""
    if sent.request is None:
        return "[]"
    return json.dumps(masked(sent.request.headers, sent.row.target.secrets))
