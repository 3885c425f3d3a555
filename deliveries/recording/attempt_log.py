"""The log's lines: what is kept of each attempt. A column of the log is changed here, and in the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from deliveries import reasons
from deliveries.models import Attempt, logged_headers
from deliveries.queueing.wakeups import WORKER_ID
from deliveries.recording.decided_outcomes import DecidedOutcome
from deliveries.sending.masking import masked
from deliveries.sending.sender import Sent
from deliveries.sentences import answered
from deliveries.transport import Outcome
from subscriptions.logs import get_logger

log = get_logger(__name__)

_DELIVERED, _FAILED = Attempt.Result.DELIVERED.value, Attempt.Result.FAILED.value


class AttemptRow(NamedTuple):
    """A row of the log as the statements of outcomes.sql take it; the fields are their parameters and the columns."""

    delivery_id: int
    webhook_id: int
    number: int
    result: str
    started_at: datetime
    answered_at: datetime
    lateness_ms: float
    status_code: int | None
    error: str
    detail: str
    decision_code: str
    decision_values: Mapping[str, Any] | None
    next_at: datetime | None
    url: str
    request_headers: str
    request_size: int
    request_sha256: bytes | None
    response_headers: str
    response_body: bytes
    response_size: int
    response_truncated: bool
    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    total_ms: float | None
    remote_address: str
    reused_connection: bool
    worker: str


def row_of(each: DecidedOutcome) -> AttemptRow:
    """Return the log's row of an outcome."""
    sent, outcome, row = each.sent, each.sent.outcome, each.sent.row
    body = sent.request.body if sent.request else b""
    decision_code, decision_values = reasons.columns(each.decision.reason)
    return AttemptRow(
        delivery_id=row.delivery_id,
        webhook_id=row.webhook.webhook_id,
        number=row.attempt,
        result=_DELIVERED if outcome.delivered else _FAILED,
        started_at=each.started_at,
        answered_at=each.answered_at,
        lateness_ms=(each.started_at - row.due_at).total_seconds() * 1000,
        status_code=outcome.status_code,
        error=str(outcome.error or ""),
        detail="" if outcome.delivered and _says_no_more(outcome) else outcome.detail,
        decision_code=decision_code,
        decision_values=decision_values,
        next_at=each.next_at,
        url=row.webhook.url,
        request_headers=_logged_headers(sent, each.started_at),
        request_size=len(body),
        request_sha256=hashlib.sha256(body).digest() if body else None,
        response_headers=logged_headers.pack(outcome.headers, logged_headers.known_of_answer(each.answered_at)),
        response_body=outcome.body,
        response_size=outcome.body_bytes_read,
        response_truncated=outcome.body_truncated,
        dns_ms=outcome.dns_ms,
        connect_ms=outcome.connect_ms,
        tls_ms=outcome.tls_ms,
        first_byte_ms=outcome.first_byte_ms,
        total_ms=outcome.total_ms,
        remote_address=outcome.remote_address or "",
        reused_connection=outcome.reused_connection,
        worker=WORKER_ID,
    )


def _says_no_more(outcome: Outcome) -> bool:
    """Tell whether what happened follows from the status alone."""
    return outcome.status_code is not None and outcome.detail == answered(outcome.status_code)


def _logged_headers(sent: Sent, started_at: datetime) -> str:
    """Return the request's headers as the log keeps them, secrets masked."""
    if sent.request is None:
        return logged_headers.pack(())
    row = sent.row
    known = logged_headers.known(
        event_id=row.event_id, event=row.event_type, occurred_at=row.occurred_at, started_at=started_at
    )
    return logged_headers.pack(masked(sent.request.headers, row.webhook.hidden), known)


def tell(decided: Sequence[DecidedOutcome]) -> None:
    """Write a line an attempt to the program's log, for those who gather such lines (WEBHOOKS_LOG_ATTEMPTS)."""
    for each in decided:
        outcome = each.sent.outcome
        log.info(
            "attempt",
            **each.sent.row.named,
            merchant=each.sent.row.webhook.merchant,
            result=each.status,
            status=outcome.status_code,
            error=str(outcome.error or ""),
            ms=round(outcome.total_ms or 0.0, 1),
            lateness_ms=round((each.started_at - each.sent.row.due_at).total_seconds() * 1000, 1),
        )
