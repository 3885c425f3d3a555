"""The log's lines: what is kept of each attempt. A column of the log is changed here, and in the model."""

from __future__ import annotations

import hashlib
import json

from deliveries import reasons
from deliveries.models import Attempt
from deliveries.queueing.wakeups import WORKER_ID
from deliveries.recording.decided_outcomes import DecidedOutcome
from deliveries.sending.masking import masked
from deliveries.sending.sender import Sent

COLUMNS = (
    "delivery_id",
    "webhook_id",
    "number",
    "result",
    "started_at",
    "answered_at",
    "lateness_ms",
    "status_code",
    "error",
    "detail",
    "decision_code",
    "decision_values",
    "next_at",
    "url",
    "request_headers",
    "request_size",
    "request_digest",
    "response_headers",
    "response_body",
    "response_size",
    "response_truncated",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "first_byte_ms",
    "total_ms",
    "remote_address",
    "reused_connection",
    "worker",
)


def line(each: DecidedOutcome) -> tuple[object, ...]:
    """Return the log's row of an outcome, in the order of COLUMNS."""
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
        *reasons.columns(each.decision.reason),
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
