"""Attempts, one line a request: when sent, when answered, the status, and the reason of the retry."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from deliveries.admin import delivery_log_filters, labels
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.db.merged_pages import MergedRows
from deliveries.models import Attempt
from subscriptions import desk
from subscriptions.admin import cells, local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.scoping import merchants_with
from subscriptions.models import Webhook


class ResultFilter(DropdownFilter):
    """Delivered, failed or interrupted."""

    title, parameter_name = "result", "result"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the results."""
        return [(str(value), str(label)) for value, label in Attempt.Result.choices]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen result."""
        return queryset.filter(result=self.value()) if self.value() else queryset


class AttemptErrorFilter(delivery_log_filters.ErrorFilter):
    """The error of the attempt."""

    lookup = "error"


@desk.register(Attempt)
class AttemptAdmin(CursorAdmin):
    """Cryptlex's event log. An attempt's page is its delivery's."""

    merchant_path = "webhook__merchant_id"
    list_display = ["outcome", "event", "address", "http", "took", "reason", "sent"]
    more_columns = ("answered", "shown_id")
    list_display_links = ["event"]
    ready_views = (("All", ""), ("Failed", "result=failed"), ("Interrupted", "result=interrupted"))
    list_select_related = ["delivery"]
    list_filter = [ResultFilter, ("webhook", OwnRowsFilter), AttemptErrorFilter]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave bodies and headers where they are."""
        return super().get_queryset(request).defer("request_headers", "response_headers", "response_body")

    def read_along(self, rows: list[Any], columns: list[str]) -> None:
        """Read the webhooks of the page's attempts in one query."""
        prefetch_related_objects(rows, "webhook")

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        """Lead to the delivery."""
        attempt = self.get_object(request, object_id)
        page = desk.reverse("webhooks_deliveries_delivery_change", attempt.delivery_id)
        return HttpResponseRedirect(f"{page}#attempt-{attempt.pk}")

    def merged_rows(self, request: HttpRequest, filters: dict[str, Any]) -> MergedRows | None:
        """An attempt knows its webhook only: the newest of a merchant are the newest of its webhooks, merged."""
        keys = merchants_with(request)
        if keys is None:
            return None
        webhooks = Webhook.objects.filter(merchant_id__in=keys).order_by()
        return MergedRows("webhook_id", list(webhooks.values_list("pk", flat=True)))

    @display(description="Sent at, UTC")
    def sent(self, row: Attempt) -> str:
        """Return when the request left."""
        return cells.brief(row.started_at)

    @display(description="Answered at, UTC")
    def answered(self, row: Attempt) -> str:
        """Return when the answer was complete, or given up."""
        return cells.brief(row.answered_at)

    @display(description="Event")
    def event(self, row: Attempt) -> str:
        """Return the event's name and the attempt's number."""
        return cells.lines(row.delivery.event_type, f"attempt {row.number}")

    @display(description="Id")
    def shown_id(self, row: Attempt) -> str:
        """Return the id, as the API has it."""
        return str(row.public_id)

    @display(description="Webhook")
    def address(self, row: Attempt) -> str:
        """Return the webhook's name over the address that the request went to."""
        return cells.webhook(row.webhook.name, row.url or row.webhook.place)

    @display(description="HTTP status")
    def http(self, row: Attempt) -> str:
        """Return the status, or the error."""
        return str(row.status_code or (labels.error_title(row.error) if row.error else local_times.DASH))

    @display(description="Response time")
    def took(self, row: Attempt) -> str:
        """Return how long it took."""
        return labels.milliseconds(row.total_ms)

    @display(description="Result", label={"delivered": "success", "failed": "danger", "interrupted": "warning"})
    def outcome(self, row: Attempt) -> tuple[str, str]:
        """Return the result."""
        return row.result, row.get_result_display()

    @display(description="What follows")
    def reason(self, row: Attempt) -> str:
        """Return the reason of the retry, or of the end."""
        return cells.clamped(row.decision) if row.decision else local_times.DASH
