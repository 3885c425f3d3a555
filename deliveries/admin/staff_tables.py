"""The engine's own books, for the platform's staff: webhooks, counters, and rates of the API."""

from __future__ import annotations

from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import Counter, WebhookState
from subscriptions import desk
from subscriptions.admin.scoping import STAFF, MerchantScoped
from subscriptions.models import ApiRates


@desk.register(WebhookState)
class WebhookStateAdmin(MerchantScoped):
    """Where the deliveries of a webhook stand."""

    merchant_path = "webhook__merchant_id"
    needs = {"view": STAFF}
    list_display = ["webhook", "window", "blocked_until", "failures", "failing_since", "last_success_at"]
    list_select_related = ["webhook"]


@desk.register(Counter)
class CounterAdmin(CursorAdmin):
    """The cells that charts are made from."""

    needs = {"view": STAFF}
    list_display = ["bucket", "webhook", "result", "band", "count", "total_ms"]
    list_select_related = ["webhook"]


@desk.register(ApiRates)
class ApiRatesAdmin(MerchantScoped):
    """A merchant's own rate limits, where they differ from the platform's."""

    needs = {"view": STAFF, "add": STAFF, "change": STAFF, "delete": STAFF}
    list_display = ["merchant", "per_hour", "per_minute", "publish_per_hour", "publish_per_minute"]
    list_select_related = ["merchant"]
