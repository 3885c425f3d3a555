"""How a webhook fares: the strip of its last attempts, and the figures of the last day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from deliveries.admin import attention
from deliveries.admin.attention import Failure
from deliveries.admin.labels import error_title, milliseconds, response_times
from deliveries.db.statements import load
from deliveries.models import Attempt, WebhookState
from deliveries.reporting import feed_lag, stats
from deliveries.reporting.feed_lag import Lag
from deliveries.sentences import counted
from subscriptions import desk
from subscriptions.admin.local_times import DASH
from subscriptions.admin.scoping import only
from subscriptions.models import Webhook

_SQL = load(__file__, "webhook_health.sql")
STRIP = 50
WAITING_MAX = 1000
"""Deliveries that wait for a webhook are counted up to here."""
_TONES = {"delivered": "good", "failed": "bad", "interrupted": "fair"}


@dataclass
class Health:
    """What the webhook's page shows; `strip` has the oldest attempt first."""

    strip: list[dict[str, Any]]
    success: str
    of_ended: str
    tone: str
    typical: str
    typical_of: str
    failures: int
    failing_since: datetime | None
    last_success_at: datetime | None
    lag: Lag | None = None
    last_failure: Failure | None = None
    in_review: str = ""


def of(webhook: Webhook) -> Health:
    """Return the health of one webhook."""
    columns = ["id", "delivery_id", "result", "status_code", "error", "started_at", "total_ms"]
    own = only(Attempt.objects.only(*columns), "webhook_id", webhook.pk)
    attempts = list(own.order_by("webhook_id", "-id")[:STRIP])
    day = stats.summary(webhook=webhook, window=timedelta(hours=24))
    state = WebhookState.objects.filter(webhook=webhook).first()
    rate = day.success_rate
    arrived = counted(day.ended, "delivery", "deliveries")
    typical, typical_of = response_times(day)
    return Health(
        strip=[_cell(attempt) for attempt in reversed(attempts)],
        success=_share(rate),
        of_ended=f"{day.delivered:,} of {arrived}" if day.ended else "",
        tone="" if rate is None else "success" if rate >= 0.99 else "warning" if rate >= 0.9 else "danger",
        typical=typical,
        typical_of=f"response time, {typical_of}",
        failures=state.failures if state else 0,
        failing_since=state.failing_since if state else None,
        last_success_at=state.last_success_at if state else None,
        lag=feed_lag.of(webhook),
        last_failure=attention.last_failure(webhook) if state and state.failures else None,
        in_review=attention.in_review(webhook),
    )


@dataclass
class Figures:
    """What a list shows of a webhook: of a day's events that ended, and of its attempts, the share that was delivered.

    `waiting` is text that may end in a plus.
    """

    success: str
    of_attempts: str
    is_failing: bool
    last_at: datetime | None
    waiting: str


def figures(webhook_ids: Iterable[int]) -> dict[int, Figures]:
    """Return webhook key → figures of a page of webhooks, in one query."""
    given: dict[str, Any] = {"webhook_ids": list(webhook_ids), "results": list(stats.ATTEMPTS), "most": WAITING_MAX + 1}
    with connection.cursor() as cursor:
        cursor.execute(_SQL["figures"], given)
        return {key: _figures(values) for key, *values in cursor.fetchall()}


def _figures(values: Sequence[Any]) -> Figures:
    delivered, attempts, dead, failures, last_at, waiting = values
    ended = delivered + dead
    return Figures(
        success=_share(delivered / ended if ended else None),
        of_attempts=_share(delivered / attempts if attempts else None),
        is_failing=failures > 0,
        last_at=last_at,
        waiting=f"{WAITING_MAX:,}+" if waiting > WAITING_MAX else f"{waiting:,}",
    )


def _share(rate: float | None) -> str:
    """Return a share in whole per cent; near either end with a decimal, so that 0 and 100 leave no exception out."""
    if rate is None:
        return DASH
    percent = 100 * rate
    if percent in {0, 100}:
        return f"{percent:.0f} %"
    return f"{min(max(percent, 0.1), 99.9):.{1 if percent < 1 or percent > 99 else 0}f} %"


def _cell(attempt: Attempt) -> dict[str, Any]:
    answer = str(attempt.status_code or error_title(attempt.error) or attempt.result)
    page = desk.reverse("webhooks_deliveries_delivery_change", attempt.delivery_id)
    return {
        "tone": _TONES.get(attempt.result, "fair"),
        "title": f"{answer}, {milliseconds(attempt.total_ms)}, {attempt.started_at:%-d %b %H:%M:%S} UTC",
        "url": f"{page}#attempt-{attempt.pk}",
    }
