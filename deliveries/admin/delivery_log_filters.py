"""Filters of the delivery log: Alva's (failed only, event type, last 24 hours, endpoint) and some more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter

from deliveries.admin import labels
from deliveries.db import keys_by_time
from deliveries.models import Delivery
from deliveries.review.selection import STATUSES
from deliveries.transport import ErrorClass
from subscriptions.models import EventType


class OutcomeFilter(DropdownFilter):
    """Several states under one word, as the API has them, or one state."""

    title, parameter_name = "outcome", "outcome"
    words = {
        "failed": "Failed only",
        "undelivered": "Undelivered: no 2xx yet, for any reason",
        "open": "Still to be sent",
    }

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the words, and each state."""
        return [*self.words.items(), *((str(value), str(label)) for value, label in Delivery.Status.choices)]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen states; none for a word there isn't."""
        return queryset.filter(status__in=STATUSES.get(self.value(), [])) if self.value() else queryset


class EventTypeFilter(DropdownFilter):
    """One event of the catalogue."""

    title, parameter_name = "event type", "event_type"
    lookup = "event_type"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the catalogue's names."""
        return [(name, name) for name in EventType.objects.values_list("name", flat=True)]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen event type."""
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset


class WhenFilter(DropdownFilter):
    """The last hour, 24 hours, 7 or 30 days."""

    title, parameter_name = "time", "within"
    windows = {
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
    }

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the windows."""
        return [(key, label) for key, (label, _window) in self.windows.items()]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep what was created within the window."""
        if not self.value():
            return queryset
        if self.value() not in self.windows:
            return queryset.none()
        return keys_by_time.since(queryset, timezone.now() - self.windows[self.value()][1])


class RangeFilter(RangeDateTimeFilter):
    """From a moment until another, in the zone that the pages show."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time (UTC)"

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep what was created in between."""
        try:
            start, end = self._moment("from"), self._moment("to")
        except ValueError:  # what is no moment must not let everything through
            return queryset.none()
        if start:
            queryset = keys_by_time.since(queryset, start)
        return keys_by_time.until(queryset, end) if end else queryset

    def problem(self) -> str:
        """Return what is wrong with the values, for eyes."""
        for end in ("from", "to"):
            try:
                self._moment(end)
            except ValueError:
                text = " ".join(self._parts(end)).strip()
                return f"“{text[:60]}” is no time: write it as 2024-01-31 15:30:00."
        return ""

    def _moment(self, end: str) -> datetime | None:
        day, hour = self._parts(end)
        return datetime.fromisoformat(f"{day} {hour or '00:00:00'}").replace(tzinfo=UTC) if day else None

    def _parts(self, end: str) -> list[str]:
        parts = [self.used_parameters.get(f"{self.parameter_name}_{end}_{kind}") for kind in ("0", "1")]
        return [(part[0] if isinstance(part, list) else part) or "" for part in parts]


class AnswerFilter(DropdownFilter):
    """The class of the last HTTP status."""

    title, parameter_name = "answer", "answer"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the classes."""
        return [("2", "2xx"), ("3", "3xx"), ("4", "4xx"), ("5", "5xx"), ("none", "No answer")]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen class."""
        if self.value() == "none":
            return queryset.filter(last_status_code=None)
        if self.value() in {"2", "3", "4", "5"}:
            floor = int(self.value()) * 100
            return queryset.filter(last_status_code__gte=floor, last_status_code__lt=floor + 100)
        return queryset.none() if self.value() else queryset


class ErrorFilter(DropdownFilter):
    """The class of the last error."""

    title, parameter_name = "error", "error"
    lookup = "last_error"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the errors in words."""
        return [(error.value, labels.error_title(error)) for error in ErrorClass]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen error."""
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset
