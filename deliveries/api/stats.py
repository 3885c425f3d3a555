"""Numbers of the dashboard: the same source, the same figures."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents
from deliveries.reporting import stats
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.errors import InvalidQuery

_WINDOW: Final = re.compile(r"([1-9][0-9]{0,3})(m)|([1-9][0-9]{0,2})(h)|([1-9][0-9]?)(d)")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
WINDOW_DEFAULT: Final = "24h"


class Stats(ApiView):
    """All webhooks together."""

    query = ("window",)

    @describe("Read statistics", responses={200: documents.StatsDocument}, parameters=[documents.WINDOW])
    def get(self, request: Request) -> Response:
        """Return the attempts of a window ending now, summed and as a time series."""
        window, text = window_of(request)
        return self.answer(_figures(window, text, merchant=self.merchant))


class WebhookStats(ApiView):
    """One webhook."""

    query = ("window",)

    @describe("Read a webhook's statistics", responses={200: documents.StatsDocument}, parameters=[documents.WINDOW])
    def get(self, request: Request, id: str) -> Response:
        """Return the attempts of a window ending now, summed and as a time series."""
        window, text = window_of(request)
        webhook = lookups.one(self.merchant.webhooks.alive(), id)
        return self.answer(_figures(window, text, webhook=webhook))


def window_of(request: Request) -> tuple[timedelta, str]:
    """Return the query's window and how it was written. Raises InvalidQuery (400)."""
    raw = request.query_params.get("window", WINDOW_DEFAULT)
    match = _WINDOW.fullmatch(raw)
    if match is None:
        raise InvalidQuery({"window": ["Give up to 9999m, 999h or 99d, such as 30m, 24h or 7d."]})
    number, unit = (part for part in match.groups() if part)
    return max(stats.BUCKET, int(number) * _UNITS[unit]), raw


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
