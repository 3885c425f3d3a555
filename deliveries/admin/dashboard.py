"""The dashboard: how deliveries fare, from counters and indexes alone; its cost doesn't grow with the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from deliveries.admin import attention, backlog, charts, live
from deliveries.admin.labels import milliseconds, response_times
from deliveries.reporting import stats
from deliveries.sentences import counted
from subscriptions.admin.local_times import DASH
from subscriptions.admin.scoping import DEVELOPER, merchants_with
from subscriptions.models import Webhook

WINDOWS = {
    "1h": ("1 hour", timedelta(hours=1), 12),
    "24h": ("24 hours", timedelta(hours=24), 24),
    "7d": ("7 days", timedelta(days=7), 56),
    "30d": ("30 days", timedelta(days=30), 60),
}
FAILING_SHOWN = 5
REFRESHED_MS = 15_000
"""Milliseconds between two refreshes of an open dashboard."""


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the dashboard's template shows; unfold calls it for the index page."""
    merchants = merchants_with(request)
    webhooks = Webhook.objects.alive()
    if merchants is not None:
        webhooks = webhooks.filter(merchant_id__in=merchants)
    chosen = request.GET.get("window", "")
    chosen = chosen if chosen in WINDOWS else "24h"
    label, window, points = WINDOWS[chosen]
    series = stats.series(window=window, points=points, merchant=merchants)
    total = stats.total(series)
    waits = backlog.waiting(webhooks, merchants)
    return context | {
        "windows": [(key, name, key == chosen) for key, (name, _window, _points) in WINDOWS.items()],
        "window": chosen,
        "window_label": "hour" if chosen == "1h" else label,
        "may_add": merchants_with(request, DEVELOPER) != [],
        "has_webhooks": webhooks.exists(),
        "tiles": _tiles(total, waits),
        "is_empty": charts.empty(series),
        "charts": [charts.outcomes(series), charts.response_times(series)],
        "attention": attention.failing(merchants),
        "failing": _failing(window, merchants),
        "waits": waits,
        "live": {"url": "", "stamp": "", "every": REFRESHED_MS, "ticket": live.ticket(request)},
    }


def _tiles(total: stats.Summary, waits: backlog.Waiting) -> list[dict[str, str]]:
    rate = DASH if total.success_rate is None else f"{_percent(total.success_rate)} %"
    times, of_times = response_times(total, (0.5, 0.95, 0.99))
    lateness = [stats.meant_percentile(total.lateness, share) for share in (0.5, 0.99)]
    late = DASH if None in lateness else " / ".join(map(milliseconds, lateness))
    of_late = f"fewer than {stats.PERCENTILE_OF} first attempts" if None in lateness else "p50 / p99, from due to sent"
    overdue = f"oldest due {waits.overdue_seconds:,.0f} s ago" if waits.oldest_due else "nothing is overdue"
    return [
        _tile("Delivered", f"{total.delivered:,}", f"of {total.ended:,} that ended"),
        _tile("Success rate", rate, f"of {counted(total.attempts, 'attempt')}", _tone(total.success_rate)),
        _tile("Response time", times, of_times),
        _tile("First attempt after", late, of_late),
        _tile("Open deliveries", waits.open, overdue, "warning" if waits.overdue_seconds > 60 else ""),
        _tile(
            "In review",
            waits.dead_letters,
            "waiting for a decision",
            "danger" if waits.dead_letters != "0" else "success",
        ),
    ]


def _tile(label: str, value: str, note: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "tone": tone}


def _percent(rate: float) -> str:
    # 99.97 must not read as 100: what failed would be hidden.
    return "100" if rate == 1 else f"{min(rate * 100, 99.9):.1f}"


def _tone(rate: float | None) -> str:
    if rate is None:
        return ""
    return "success" if rate >= 0.99 else "warning" if rate >= 0.9 else "danger"


def _failing(window: timedelta, merchants: list[int] | None) -> list[dict[str, Any]]:
    worst = stats.worst(window=window, merchant=merchants, limit=FAILING_SHOWN)
    webhooks = Webhook.objects.in_bulk([key for key, _summary in worst])
    return [
        {"webhook": webhooks[key], "summary": each, "rate": _percent(each.success_rate or 0.0)}
        for key, each in worst
        if key in webhooks
    ]
