"""The review queue: deliveries that ran out of attempts, oldest first, decided one by one or all that match."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from deliveries.admin import bulk_actions, dead_letter_groups, delivery_log_filters, labels
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import DeadLetter, Event
from deliveries.review import manual_actions
from subscriptions import desk, services
from subscriptions.admin import cells, local_times
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER, OwnRowsFilter, name_of
from subscriptions.admin.service_forms import ServiceForm, ServiceFormMixin
from subscriptions.webhook_rules import HTTPS


class WaitingFilter(DropdownFilter):
    """What waits (without a choice), what was decided, or both."""

    title, parameter_name = "decision", "decision"
    all_option = None

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer waiting, replayed, discarded and all."""
        return [("", "Waiting"), ("replayed", "Replayed"), ("discarded", "Discarded"), ("all", "All")]

    def has_output(self) -> bool:
        """Show it always."""
        return True

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep what waits, unless something else is asked for."""
        if self.value() == "all":
            return queryset
        if self.value() in DeadLetter.Resolution.values:
            return queryset.filter(resolution=self.value())
        return queryset.none() if self.value() else queryset.filter(resolved_at=None)


class DeadLetterErrorFilter(delivery_log_filters.ErrorFilter):
    """The error it died of."""

    lookup = "error"


class DeadLetterForm(ServiceForm):
    """Whose it is, what they found, and the endpoint, fixed in place."""

    url = forms.CharField(
        label="Endpoint URL",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Another address is saved to the webhook, for this and all its other deliveries.",
    )

    class Meta:
        model = DeadLetter
        fields = ["assignee", "note"]
        help_texts = {"note": "What went wrong, or what was done. It stays on record."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["url"] = self.instance.webhook.url
        if self.instance.webhook.kind != HTTPS:  # a queue's address is made from its settings, a feed has none
            self.fields["url"].disabled = True
            self.fields["url"].help_text = f"{self.instance.webhook.place}: change it on the webhook's page."

    def serve(self, data: dict[str, Any]) -> DeadLetter:
        """Save assignee and note, and the webhook if its address changed."""
        dead_letter, url = self.instance, data["url"]
        if url and url != dead_letter.webhook.url:
            services.update_webhook(webhook=dead_letter.webhook, url=url)
        dead_letter.assignee, dead_letter.note = data["assignee"], data["note"]
        dead_letter.save(update_fields=["assignee", "note"])
        return dead_letter


@desk.register(DeadLetter)
class DeadLetterAdmin(ServiceFormMixin, WithRowActions, CursorAdmin):
    """Who decided what stays with each dead letter: an audit trail."""

    needs = {"change": DEVELOPER}
    newest_first = False
    list_display = ["died_of", "event", "address", "why", "handled", "when", "merchant"]
    list_display_links = ["event"]
    list_select_related = ["delivery", "webhook", "assignee", "merchant"]
    list_filter = [WaitingFilter, ("webhook", OwnRowsFilter), DeadLetterErrorFilter, ("merchant", OwnRowsFilter)]
    form = DeadLetterForm
    fields = ["event_link", "why", "url", "assignee", "note", "decided"]
    readonly_fields = ["event_link", "why", "decided"]
    actions = ["replay_selected", "discard_selected", "take"]
    change_list_template = "desk/review.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of bulk replay and discard."""
        view = self.admin_site.admin_view(self.decide_all)
        return [path("all/<str:what>/", view, name="webhooks_deliveries_deadletter_all"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Put the groups above the list: webhook and error, with how many wait."""
        rows = self.get_queryset(request).filter(resolved_at=None)
        context = {"groups": dead_letter_groups.groups(rows), "may_decide": self.may(request, "change")}
        return super().changelist_view(request, (extra_context or {}) | context)

    def decide_all(self, request: HttpRequest, what: str) -> HttpResponse:
        """Replay or discard all that match: first the count, then the decision."""
        return bulk_actions.page(self, request, what)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may decide something."""
        return self.may(request, "change")

    def read_along(self, rows: list[Any]) -> None:
        """Read the events of the page's deliveries in one query, without payloads."""
        prefetch_related_objects(rows, Prefetch("delivery__event", Event.objects.only("public_id", "resource_id")))

    # --- row actions --------------------------------------------------------------------------------------------------

    @row_action(
        "Replay",
        icon="replay",
        when=lambda dead_letter: dead_letter.resolved_at is None,
        refusals=(manual_actions.StateConflict,),
    )
    def replay(self, request: HttpRequest, dead_letter: DeadLetter) -> HttpResponse:
        """Send it again, as a new chain of attempts."""
        manual_actions.replay(
            delivery=manual_actions.in_review(dead_letter), by=name_of(request), note=dead_letter.note
        )
        messages.success(request, "On its way.")
        return HttpResponseRedirect(desk.reverse("webhooks_deliveries_delivery_change", dead_letter.delivery_id))

    @row_action(
        "Discard",
        icon="delete",
        confirm="It won't be sent any more. It stays in the log.",
        danger=True,
        when=lambda dead_letter: dead_letter.resolved_at is None,
        refusals=(manual_actions.StateConflict,),
    )
    def discard(self, request: HttpRequest, dead_letter: DeadLetter) -> str:
        """Give it up for good; the note says why."""
        manual_actions.discard(
            delivery=manual_actions.in_review(dead_letter), by=name_of(request), note=dead_letter.note
        )
        return "Discarded."

    @admin.action(description="Replay", permissions=["decide"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Replay the selected dead letters."""
        chosen = self.changeable(request, queryset)
        done = manual_actions.replay_all(chosen, by=name_of(request))
        self._tell(request, done, "on their way", len(queryset))

    @admin.action(description="Discard", permissions=["decide"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Discard the selected dead letters."""
        chosen = self.changeable(request, queryset)
        done = manual_actions.discard_all(chosen, by=name_of(request))
        self._tell(request, done, "discarded", len(queryset))

    @admin.action(description="Assign to me", permissions=["decide"])
    def take(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Take the selected dead letters on."""
        keys = list(self.changeable(request, queryset).filter(resolved_at=None).values_list("pk", flat=True))
        DeadLetter.objects.filter(pk__in=keys, resolved_at=None).update(assignee_id=request.user.pk)
        messages.success(request, f"{len(keys)} assigned to you.")

    def _tell(self, request: HttpRequest, done: int, word: str, chosen: int) -> None:
        left = chosen - done
        rest = f" {left} could not be: decided already, or their webhook is off." if left > 0 else ""
        (messages.success if done else messages.warning)(request, f"{done} {word}.{rest}")

    # --- columns ------------------------------------------------------------------------------------------------

    @display(description="Since, UTC")
    def when(self, row: DeadLetter) -> str:
        """Return when it was given up."""
        return cells.brief(row.created_at)

    @display(description="Event")
    def event(self, row: DeadLetter) -> str:
        """Return the event's name, over the id of what it is about."""
        return cells.lines(row.delivery.event_type, row.delivery.event.resource_id)

    @display(description="Event")
    def event_link(self, row: DeadLetter) -> str:
        """Return a way to the delivery with all its attempts."""
        page = desk.reverse("webhooks_deliveries_delivery_change", row.delivery_id)
        link = '<a class="desk-link" href="{}">{}: see its attempts</a>'
        return format_html(link, page, row.delivery.event_type)

    @display(description="Webhook")
    def address(self, row: DeadLetter) -> str:
        """Return where it was to go."""
        return cells.webhook(row.webhook.name, row.webhook.place)

    @display(description="Failure", label="danger")
    def died_of(self, row: DeadLetter) -> str:
        """Return the status or the error."""
        return str(row.status_code or labels.error_title(row.error) or local_times.DASH)

    @display(description="Why")
    def why(self, row: DeadLetter) -> str:
        """Return the reason in a sentence."""
        return row.reason

    @display(description="Handling")
    def handled(self, row: DeadLetter) -> str:
        """Return what was decided and by whom, or who is at it."""
        if row.resolved_at is not None:
            return cells.lines(row.get_resolution_display(), row.resolved_by)
        return cells.lines("Waiting", str(row.assignee) if row.assignee else "nobody assigned")

    @display(description="Decision")
    def decided(self, row: DeadLetter) -> str:
        """Return who decided what, and when."""
        if row.resolved_at is None:
            return "waiting"
        return local_times.sentence(f"{row.get_resolution_display()} by {{}}, {{}}", row.resolved_by, row.resolved_at)
