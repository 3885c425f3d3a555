"""The delivery log: what was sent where, what came back, and why it is tried again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from unfold.sections import TemplateSection

from deliveries.admin import delivery_log_filters, delivery_page, exports, live, live_log, payload_display, search
from deliveries.admin.delivery_columns import OF_ATTEMPTS, DeliveryColumns
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import Attempt, Delivery, Event
from deliveries.models.attempts import DECISION_COLUMNS
from deliveries.review import manual_actions
from subscriptions import desk, ids
from subscriptions.acting import name_of
from subscriptions.admin.declared import WrongQuery
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER
from subscriptions.filters import says_nothing
from subscriptions.models import Webhook

ATTEMPTS_SHOWN = 25
"""The most attempts of a delivery that an opened row lists."""


class RowDetails(TemplateSection):
    """What opens below a row: each attempt with its reason, and the payload. It is asked for when it is opened."""

    template_name = "desk/log_row_later.html"

    def get_context_data(self, request: HttpRequest, instance: Delivery) -> dict[str, Any]:
        """Return where the row's details are; made without a request, the template can't tell which site it is on."""
        return {"row_url": desk.reverse("webhooks_deliveries_delivery_row", instance.pk)}


@desk.register(Delivery)
class DeliveryAdmin(DeliveryColumns, WithRowActions, CursorAdmin):
    """What became of it first; Alva's and Cryptlex's other columns on choice, and in the opened row."""

    needs = {"change": DEVELOPER}
    list_display = DeliveryColumns.USUAL
    more_columns = DeliveryColumns.OTHERS
    ready_views = (
        ("All", ""),
        ("Failed", "outcome=failed"),
        ("Still to be sent", "outcome=open"),
        ("In review", "outcome=dead"),
        ("Last 24 hours", "within=24h"),
    )
    list_display_links = ["kind"]
    list_select_related = ["webhook", "merchant"]
    list_sections = [RowDetails]
    list_filter = [
        delivery_log_filters.OutcomeFilter,
        delivery_log_filters.WhenFilter,
        ("webhook", OwnRowsFilter),
        delivery_log_filters.EventTypeFilter,
        delivery_log_filters.AnswerFilter,
        delivery_log_filters.ErrorFilter,
        ("created_at", delivery_log_filters.RangeFilter),
        ("merchant", OwnRowsFilter),
    ]
    search_fields = ["public_id"]
    search_help_text = "Order number, id, URL or other text"
    actions = ["send_again"]
    change_list_template = "desk/log.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A log is read, not edited."""
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may send something again."""
        return self.may(request, "change")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Find by an id of a delivery or event, a resource's id, the start of a URL or text of the payload."""
        if says_nothing(search_term):  # what is only invisible finds nothing; without a search, everything is shown
            return (queryset.none() if search_term else queryset), False
        found = Q(event_id__in=search.among(self, request, search_term))
        if search_term.startswith(ids.DELIVERY + "_"):
            found |= Q(public_id=search_term)
        webhooks = self.scope(request, Webhook.objects.filter(url__istartswith=search_term))
        if keys := list(webhooks.values_list("pk", flat=True)):
            found |= Q(webhook_id__in=keys)
        return queryset.filter(found), False

    def read_along(self, rows: list[Any], columns: list[str]) -> None:
        """Read events and, for columns that tell of them, attempts: a query each, without payloads and bodies."""
        prefetch_related_objects(rows, Prefetch("event", Event.objects.only("public_id", "resource_id")))
        if not OF_ATTEMPTS.isdisjoint(columns):
            read = ["delivery", "number", "result", "started_at", "total_ms", *DECISION_COLUMNS]
            prefetch_related_objects(rows, Prefetch("attempts", Attempt.objects.only(*read).order_by("id")))

    def get_urls(self) -> list[URLPattern]:
        """Add the payload of a row and the export of the list."""
        own, wrap = "webhooks_deliveries_delivery", self.admin_site.admin_view
        return [
            path("export/<str:kind>/", wrap(self.export), name=f"{own}_export"),
            path("live/", self.live, name=f"{own}_live"),  # asks by itself who is asking
            path("<int:object_id>/live/", self.live_page, name=f"{own}_live_page"),
            path("<path:object_id>/row/", wrap(self.row), name=f"{own}_row"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Give the page the links of its exports."""
        answer = super().changelist_view(request, extra_context)
        if changelist := getattr(answer, "context_data", None) and answer.context_data.get("cl"):
            answer.context_data["export_query"] = exports.link(changelist, request.GET)
            answer.context_data["live"] = live_log.context(request, changelist) | {"ticket": live.ticket(request)}
        return answer

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        """Show one delivery: its timeline, each request and answer."""
        delivery = self.get_object(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(delivery),
            "opts": self.opts,
            "original": delivery,
            "object": delivery,
            "row_actions": self.row_actions_for(request, delivery),
            "live": {
                "url": desk.reverse("webhooks_deliveries_delivery_live_page", delivery.pk),
                "stamp": delivery_page.stamp(*(getattr(delivery, name) for name in delivery_page.STAMPED)),
                "ticket": live.ticket(request),
            },
            **delivery_page.context(delivery, is_for_developers=self.may(request, "change", delivery)),
        }
        return TemplateResponse(request, "desk/delivery.html", context)

    def row(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the attempts and the event's data, for the opened row."""
        delivery = self.get_object(request, object_id)
        context = {
            "delivery": delivery,
            "attempts": delivery.attempts.order_by("id")[:ATTEMPTS_SHOWN],
            "payload": payload_display.pretty(delivery.event.data),
        }
        return TemplateResponse(request, "desk/log_row.html", context)

    def live(self, request: HttpRequest) -> HttpResponse:
        """Return the rows of an open list that changed or came."""
        return live.answer(request, self.admin_site, lambda asked: live_log.refresh(self, asked))

    def live_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Return a stamp of a delivery that changes when its page would."""

        def stamp(asked: HttpRequest) -> dict[str, Any]:
            rows = self.scope(asked, Delivery.objects.filter(pk=object_id))
            return {"stamp": delivery_page.stamp(*rows.values_list(*delivery_page.STAMPED).first() or ())}

        return live.answer(request, self.admin_site, stamp)

    def export(self, request: HttpRequest, kind: str) -> Any:
        """Stream the log as it is filtered, as CSV or JSON; 422 where the address doesn't say which rows are meant."""
        try:
            if refusal := exports.refusal(kind, request.GET):
                return refusal
            changelist = self.get_changelist_instance(request)
            refusal = exports.unknown_values(changelist)
            return refusal or exports.log(request, changelist, kind, reached=search.reached(request))
        except WrongQuery as error:
            return self.wrong_query(request, error)

    # --- row actions --------------------------------------------------------------------------------------------------

    @row_action(
        "Send again now",
        icon="replay",
        when=lambda row: row.status not in {Delivery.Status.SENDING, Delivery.Status.PENDING},
        refusals=(manual_actions.StateConflict,),
    )
    def retry(self, request: HttpRequest, delivery: Delivery) -> str:
        """Send it once more, at once."""
        if manual_actions.retry(delivery=delivery, by=name_of(request)).is_held:
            return "It took its place in line. Its page says what it waits for."
        return "On its way. The answer appears here."

    @row_action(
        "Cancel",
        icon="cancel",
        confirm="It won't be sent any more.",
        danger=True,
        when=lambda row: row.status in {Delivery.Status.PENDING, Delivery.Status.RETRYING},
        refusals=(manual_actions.StateConflict,),
    )
    def cancel(self, request: HttpRequest, delivery: Delivery) -> str:
        """Give it up."""
        manual_actions.cancel(delivery=delivery, by=name_of(request))
        return "Cancelled."

    @admin.action(description="Send again now", permissions=["retry"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Send the selected deliveries once more."""
        sent = refused = 0
        for delivery in self.changeable(request, queryset):
            try:
                manual_actions.retry(delivery=delivery, by=name_of(request))
                sent += 1
            except manual_actions.StateConflict:
                refused += 1
        told = f"{sent} on their way." + (f" {refused} are being sent already, or wait in line." if refused else "")
        self.message_user(request, told)
