"""The engine's own books, for the platform's staff: webhooks, counters, and rates of the API."""

from __future__ import annotations

from unfold.decorators import display

from deliveries.admin import labels
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import Counter, WebhookState
from subscriptions import desk
from subscriptions.admin import cells
from subscriptions.admin.scoping import STAFF, MerchantScoped
from subscriptions.models import ApiRates


@desk.register(WebhookState)
class WebhookStateAdmin(MerchantScoped):
    """Where the deliveries of a webhook stand."""

    merchant_path = "webhook__merchant_id"
    needs = {"view": STAFF}
    list_display = ["webhook", "window", "blocked", "failures", "since", "success"]
    list_select_related = ["webhook"]

    @display(description="Blocked until, UTC", ordering="blocked_until")
    def blocked(self, row: WebhookState) -> str:
        """Return until when its rate limit holds everything back."""
        return cells.brief(row.blocked_until)

    @display(description="Failing since, UTC", ordering="failing_since")
    def since(self, row: WebhookState) -> str:
        """Return when the run of failures began."""
        return cells.brief(row.failing_since)

    @display(description="Last success, UTC", ordering="last_success_at")
    def success(self, row: WebhookState) -> str:
        """Return when its endpoint last took something."""
        return cells.brief(row.last_success_at)


@desk.register(Counter)
class CounterAdmin(CursorAdmin):
    """The cells that charts are made from."""

    needs = {"view": STAFF}
    list_display = ["began", "webhook", "result", "band", "count", "took"]
    list_select_related = ["webhook"]

    @display(description="Five minutes from, UTC")
    def began(self, row: Counter) -> str:
        """Return when the stretch of time began."""
        return cells.brief(row.bucket)

    @display(description="Total response time")
    def took(self, row: Counter) -> str:
        """Return how long the attempts took together."""
        return labels.milliseconds(row.total_ms)


@desk.register(ApiRates)
class ApiRatesAdmin(MerchantScoped):
    """A merchant's own rate limits, where they differ from the platform's."""

    needs = {"view": STAFF, "add": STAFF, "change": STAFF, "delete": STAFF}
    list_display = ["merchant", "per_hour", "per_minute", "publish_per_hour", "publish_per_minute"]
    list_select_related = ["merchant"]
