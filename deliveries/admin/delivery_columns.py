"""Columns of the delivery log: Alva's and Cryptlex's, of which a list shows some and offers the others."""

from __future__ import annotations

from typing import Any, Final

from unfold.decorators import display

from deliveries.admin import labels
from deliveries.models import Delivery
from subscriptions.admin import cells, local_times

OF_ATTEMPTS: Final = frozenset({"sent", "answered", "reason"})
"""Columns that need a delivery's attempts."""


class DeliveryColumns:
    """What a row of the log says. Rows have their event read along and, for OF_ATTEMPTS, their attempts by age."""

    USUAL = ["outcome", "kind", "endpoint", "http", "tried", "took", "when", "merchant"]
    OTHERS = ("resource", "url", "retries", "sent", "answered", "reason", "delivery_code", "event_code")

    @display(description="Outcome", label=labels.TONES)
    def outcome(self, row: Delivery) -> tuple[str, str]:
        """Return where it stands."""
        return row.status, row.get_status_display()

    @display(description="Event")
    def kind(self, row: Delivery) -> str:
        """Return the event's name, over the id of what it is about."""
        return cells.lines(row.event_type, row.event.resource_id)

    @display(description="Webhook")
    def endpoint(self, row: Delivery) -> str:
        """Return where it goes."""
        return cells.webhook(row.webhook.name, row.webhook.place)

    @display(description="HTTP status")
    def http(self, row: Delivery) -> str:
        """Return the last answer, or why there was none."""
        if row.last_status_code:
            return str(row.last_status_code)
        return cells.lines(labels.error_title(row.last_error)) if row.last_error else local_times.DASH

    @display(description="Attempts")
    def tried(self, row: Delivery) -> int:
        """Return how many requests were made."""
        return row.attempt_count

    @display(description="Response time")
    def took(self, row: Delivery) -> str:
        """Return how long the last attempt took."""
        return labels.milliseconds(row.response_ms)

    @display(description="Time, UTC")
    def when(self, row: Delivery) -> str:
        """Return when the event reached the webhook."""
        return cells.brief(row.created_at)

    @display(description="Resource")
    def resource(self, row: Delivery) -> str:
        """Return the id of what the event is about."""
        return row.event.resource_id or local_times.DASH

    @display(description="Endpoint URL")
    def url(self, row: Delivery) -> str:
        """Return the whole address."""
        return row.webhook.place

    @display(description="Retries")
    def retries(self, row: Delivery) -> int:
        """Return how many requests followed the first."""
        return max(0, row.attempt_count - 1)

    @display(description="Last sent at, UTC")
    def sent(self, row: Delivery) -> str:
        """Return when the last request left."""
        return cells.brief(last.started_at if (last := _last(row)) else None)

    @display(description="Last answered at, UTC")
    def answered(self, row: Delivery) -> str:
        """Return when the last answer was complete, or given up."""
        return cells.brief(last.answered_at if (last := _last(row)) else None)

    @display(description="What follows")
    def reason(self, row: Delivery) -> str:
        """Return why it is tried again, or isn't."""
        last = _last(row)
        why = row.reason or (last.decision if last else "")
        return cells.clamped(why) if why else local_times.DASH

    @display(description="Delivery id")
    def delivery_code(self, row: Delivery) -> str:
        """Return the delivery's id, as the API has it."""
        return row.public_id

    @display(description="Event id")
    def event_code(self, row: Delivery) -> str:
        """Return the id that stands in every message."""
        return row.event.public_id


def _last(row: Delivery) -> Any:
    return next(reversed(row.attempts.all()), None)
