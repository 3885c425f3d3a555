"""The page of one delivery: a timeline of its attempts, each with the exact request, the answer and the timings."""

from __future__ import annotations

import hashlib
from typing import Any

from deliveries.admin import curl, labels, payload_display, sent_requests
from deliveries.models import Attempt, Delivery
from deliveries.queueing import ordering
from deliveries.sending import masking

ATTEMPTS_MAX = 50
"""The most attempts a page shows, the newest."""

STAMPED = ("status", "attempt_count", "replays", "due_at", "reason_code")
"""Columns of a delivery that its page shows and that change."""

PHASES = (
    ("dns_ms", "Name lookup", "dns"),
    ("connect_ms", "Connect", "connect"),
    ("tls_ms", "TLS", "tls"),
)


def context(delivery: Delivery, *, is_for_developers: bool) -> dict[str, Any]:
    """Return what the page's template shows; custom headers only to those who may change them."""
    attempts = list(delivery.attempts.order_by("-id")[:ATTEMPTS_MAX])
    return {
        "delivery": delivery,
        "ahead": ordering.ahead_of(delivery),
        "webhook": delivery.webhook,
        "event": delivery.event,
        "tone": labels.TONES.get(delivery.status, "default"),
        "payload": payload_display.pretty(delivery.event.data),
        "attempts": _entries(delivery, attempts, is_for_developers),
        "dead_letters": list(delivery.dead_letters.select_related("assignee")),
        "retries": max(0, delivery.attempt_count - 1),
    }


def stamp(*values: Any) -> str:
    """Return a text that differs when one of the STAMPED columns does."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16] if values else ""


def _entries(delivery: Delivery, attempts: list[Attempt], is_for_developers: bool) -> list[dict[str, Any]]:
    bodies = sent_requests.bodies(delivery, attempts) if attempts else {}
    return [_entry(attempt, bodies.get(attempt.pk), is_for_developers) for attempt in attempts]


def _entry(attempt: Attempt, body: sent_requests.Body | None, is_for_developers: bool) -> dict[str, Any]:
    sent = attempt.sent_headers
    headers = [(name, value) for name, value in (sent if is_for_developers else masking.without_custom(sent))]
    return {
        "attempt": attempt,
        "tone": {"delivered": "success", "failed": "danger"}.get(attempt.result, "warning"),
        "error": labels.error_title(attempt.error) if attempt.error else "",
        "advice": labels.advice(attempt.error, attempt.status_code),
        "request_headers": payload_display.as_lines(headers),
        "response_headers": payload_display.as_lines(attempt.answer_headers),
        "response_body": payload_display.text_of(attempt.response_body),
        "body": payload_display.pretty(body.text) if body else "",
        "body_is_exact": bool(body and body.is_exact),
        "curl": curl.command(attempt.url, headers, body.text) if body and attempt.url else "",
        "took": labels.milliseconds(attempt.total_ms),
        "late": labels.milliseconds(attempt.lateness_ms),
        "bars": bars(attempt) if attempt.url else [],
    }


def bars(timed: Any) -> list[dict[str, Any]]:
    """Return the phases of a request (an Attempt or an Outcome) as bars: label, duration, offset and width in percent.

    `first_byte_ms` and `total_ms` count from the start; the other phases follow each other.
    """
    total = timed.total_ms or 0.0
    if total <= 0:
        return []
    found, at = [], 0.0
    for name, label, style in PHASES:
        length = getattr(timed, name)
        if length is not None:
            found.append((label, style, at, length))
            at += length
    if timed.first_byte_ms is not None:
        found.append(("Waiting for the answer", "wait", at, max(0.0, timed.first_byte_ms - at)))
        at = max(at, timed.first_byte_ms)
    found.append(
        (
            "Reading the answer" if timed.first_byte_ms is not None else "Until it failed",
            "read",
            at,
            max(0.0, total - at),
        )
    )
    return [
        {
            "label": label,
            "style": style,
            "text": labels.milliseconds(length),
            # The drawing is 1000 units wide: whole numbers, whatever language the page is in.
            "x": round(1000 * min(start, total) / total),
            "width": max(4, round(1000 * min(length, total) / total)),
        }
        for label, style, start, length in found
    ]
