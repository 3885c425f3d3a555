"""Statistics over the API: the same source as the dashboard's, the same figures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.reporting import feed_lag, stats
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.errors import InvalidQuery
from subscriptions.api.serializers import EXAMPLE_LATER, EXAMPLE_MOMENT, ApiSerializer, eg

_WINDOW: Final = re.compile(r"([1-9][0-9]{0,3})(m)|([1-9][0-9]{0,2})(h)|([1-9][0-9]?)(d)")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
WINDOW_DEFAULT: Final = "24h"
WINDOW: Final = OpenApiParameter(
    "window",
    {"type": "string", "pattern": "^([1-9][0-9]{0,3}m|[1-9][0-9]{0,2}h|[1-9][0-9]?d)$", "default": WINDOW_DEFAULT},
    description="Minutes, hours or days, ending now.",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time with its figures: the whole `window` with its `series`, or a step that begins `at` a moment."""

    summary: stats.Summary
    at: datetime | None = None
    window: str = ""
    series: list[Part] = field(default_factory=list)


class FiguresSerializer(ApiSerializer):
    """Attempts of a stretch of time; durations are milliseconds."""

    attempts = eg(serializers.IntegerField(source="summary.attempts"), 1250)
    delivered = eg(serializers.IntegerField(source="summary.delivered"), 1240)
    failed = eg(
        serializers.IntegerField(
            source="summary.failed", help_text="Attempts that didn't deliver, whether or not one followed."
        ),
        10,
    )
    dead = eg(serializers.IntegerField(help_text="Attempts after which a delivery was given up."), 1)
    skipped = eg(serializers.IntegerField(help_text="Deliveries that the webhook's settings kept from being sent."), 0)
    success_rate = eg(
        serializers.FloatField(
            source="summary.success_rate",
            allow_null=True,
            help_text="0 to 1; null without attempts, as are the durations.",
        ),
        0.992,
    )
    average_ms = eg(serializers.FloatField(source="summary.average_ms", allow_null=True), 91.4)
    p50_ms = eg(serializers.FloatField(allow_null=True, help_text="Half of the attempts were answered sooner."), 74.0)
    p95_ms = eg(serializers.FloatField(allow_null=True), 188.0)
    p99_ms = eg(serializers.FloatField(allow_null=True), 341.0)

    def show_dead(self, part: Part) -> int:
        """Return how many attempts were a delivery's last."""
        return part.summary.counts.get("dead", 0)

    def show_skipped(self, part: Part) -> int:
        """Return how many deliveries were skipped."""
        return part.summary.counts.get(stats.SKIPPED, 0)

    def show_p50_ms(self, part: Part) -> float | None:
        """Return the median response time."""
        return part.summary.response_ms(0.5)

    def show_p95_ms(self, part: Part) -> float | None:
        """Return the response time that 95 of 100 attempts stay under."""
        return part.summary.response_ms(0.95)

    def show_p99_ms(self, part: Part) -> float | None:
        """Return the response time that 99 of 100 attempts stay under."""
        return part.summary.response_ms(0.99)


class _At(ApiSerializer):
    at = serializers.DateTimeField(help_text="Its beginning.")


class PointSerializer(_At, FiguresSerializer):  # its members stand in the order of the bases
    """A step of a time series."""


class _Window(ApiSerializer):
    window = eg(serializers.CharField(), "1h")


class StatsSerializer(_Window, FiguresSerializer):
    """A window ending now."""

    series = PointSerializer(many=True)


class LagSerializer(ApiSerializer):
    """What waits in a feed to be fetched and acknowledged."""

    unacknowledged = eg(serializers.IntegerField(help_text=f"{feed_lag.COUNTED_MAX:,} at most."), 12)
    oldest_at = eg(
        serializers.DateTimeField(allow_null=True, help_text="Since when the oldest waits; null: nothing does."),
        EXAMPLE_MOMENT,
    )
    asked_at = eg(
        serializers.DateTimeField(allow_null=True, help_text="When the feed was asked last; null: never."),
        EXAMPLE_LATER,
    )


class WebhookStatsSerializer(StatsSerializer):
    """A window ending now, of one webhook."""

    feed = LagSerializer(allow_null=True, help_text="How far the feed's consumer is behind; null: it has no feed.")


class Stats(ApiView):
    """All webhooks together."""

    query = ("window",)

    @describe("Read statistics", answer=StatsSerializer, parameters=[WINDOW])
    def get(self, request: Request) -> Response:
        """Return how the merchant's deliveries went in a window ending now, summed and as a time series.

        The figures are those of the dashboard; the steps of the series grow with the window.
        """
        window, text = window_of(request)
        return self.answer(_figures(window, text, merchant=self.merchant))


class WebhookStats(ApiView):
    """One webhook."""

    query = ("window",)

    @describe("Read a webhook's statistics", answer=WebhookStatsSerializer, parameters=[WINDOW])
    def get(self, request: Request, id: str) -> Response:
        """Return how one webhook's deliveries went in a window ending now, summed and as a time series."""
        window, text = window_of(request)
        webhook = lookups.one(self.merchant.webhooks.alive(), id)
        lag = feed_lag.of(webhook)
        data = LagSerializer(lag).data if lag else None
        return self.answer({**_figures(window, text, webhook=webhook), "feed": data})


def window_of(request: Request) -> tuple[timedelta, str]:
    """Return the query's window and how it was written. Raises InvalidQuery (400)."""
    raw = request.query_params.get("window", WINDOW_DEFAULT)
    match = _WINDOW.fullmatch(raw)
    if match is None:
        raise InvalidQuery({"window": ["Give up to 9999m, 999h or 99d, such as 30m, 24h or 7d."]})
    number, unit = (part for part in match.groups() if part)
    return max(stats.BUCKET, int(number) * _UNITS[unit]), raw


def _figures(window: timedelta, text: str, **whose: Any) -> dict[str, Any]:
    steps = [Part(summary, at=at) for at, summary in stats.series(window=window, **whose)]
    return StatsSerializer(Part(stats.summary(window=window, **whose), window=text, series=steps)).data
