"""Numbers of the dashboard: the same source, the same figures."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from deliveries import stats
from deliveries.api import documents
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.errors import InvalidQuery
from subscriptions.api.schema import describe

_WINDOW: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
WINDOW_DEFAULT: Final = "24h"
WINDOW_MAX: Final = timedelta(days=90)


class Stats(ApiView):
    """All webhooks together."""

    query = ("window",)

    @describe("Read statistics", responses={200: documents.StatsDocument}, parameters=[documents.WINDOW])
    def get(self, request: Request) -> Response:
        """Return the attempts of a window ending now, summed and as a time series."""
        window, text = window_of(request)
        return Response(_figures(window, text, merchant=self.merchant))


class WebhookStats(ApiView):
    """One webhook."""

    query = ("window",)

    @describe("Read a webhook's statistics", responses={200: documents.StatsDocument}, parameters=[documents.WINDOW])
    def get(self, request: Request, id: str) -> Response:
        """Return the attempts of a window ending now, summed and as a time series."""
        window, text = window_of(request)
        webhook = lookups.one(self.merchant.webhooks.alive(), id)
        return Response(_figures(window, text, webhook=webhook))


def window_of(request: Request) -> tuple[timedelta, str]:
    """Return the query's window and how it was written. Raises InvalidQuery (400)."""
    raw = request.query_params.get("window", "") or WINDOW_DEFAULT
    match = _WINDOW.fullmatch(raw)
    window = int(match[1]) * _UNITS[match[2]] if match else None
    if window is None or not stats.BUCKET <= window <= WINDOW_MAX:
        raise InvalidQuery({"window": ["Give minutes, hours or days from 5m to 90d, such as 30m, 24h or 7d."]})
    return window, raw


def _figures(window: timedelta, text: str, **whose: Any) -> dict[str, Any]:
    return {
        "window": text,
        **_shown(stats.summary(window=window, **whose)),
        "series": [{"at": at, **_shown(point)} for at, point in stats.series(window=window, **whose)],
    }


def _shown(summary: stats.Summary) -> dict[str, Any]:
    return {
        "attempts": summary.attempts,
        "delivered": summary.delivered,
        "failed": summary.failed,
        "dead": summary.counts.get("dead", 0),
        "skipped": summary.counts.get(stats.SKIPPED, 0),
        "success_rate": summary.success_rate,
        "average_ms": summary.average_ms,
        "p50_ms": summary.response_ms(0.5),
        "p95_ms": summary.response_ms(0.95),
        "p99_ms": summary.response_ms(0.99),
    }
