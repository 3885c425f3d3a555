"""The review queue: deliveries that ran out of attempts, oldest first, decided one by one or all that match."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from deliveries.admin import bulk_actions, dead_letter_groups, delivery_log_filters, delivery_page, live
from deliveries.admin.dead_letter_columns import DeadLetterColumns
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import DeadLetter, Event
from deliveries.review import manual_actions
from subscriptions import desk, services
from subscriptions.acting import name_of
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER
from subscriptions.admin.service_forms import ServiceForm, ServiceFormMixin
from subscriptions.webhook_rules import HTTPS

REPLAY, DISCARD = "_replay", "_discard"
"""Names of the buttons that save the form and then decide."""
NO_REASON = "Give a reason: it stays on record."


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
        help_text="This changes the webhook itself: from then on every event of it goes to the new address, not only "
        "this one.",
    )

    class Meta:
        model = DeadLetter
        fields = ["assignee", "note"]
        labels = {"note": "Note, or the reason of a discard"}
        help_texts = {"note": "What went wrong, or what was done. It is kept whichever button you press."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["url"] = self.instance.webhook.url
        if self.instance.webhook.kind != HTTPS:  # a queue's address is made from its settings, a feed has none
            self.fields["url"].disabled = True
            self.fields["url"].help_text = f"{self.instance.webhook.place}: change it on the webhook's page."

    def clean(self) -> dict[str, Any]:
        """Ask for the reason of a discard."""
        data = super().clean() or {}
        if DISCARD in self.data and not (data.get("note") or "").strip():
            self.add_error("note", NO_REASON)
        return data

    def serve(self, data: dict[str, Any]) -> DeadLetter:
        """Save assignee and note, and the webhook if its address changed."""
        dead_letter, url = self.instance, data["url"]
        if url and url != dead_letter.webhook.url:
            services.update_webhook(webhook=dead_letter.webhook, url=url)
        dead_letter.assignee, dead_letter.note = data["assignee"], data["note"]
        dead_letter.save(update_fields=["assignee", "note"])
        return dead_letter


@desk.register(DeadLetter)
class DeadLetterAdmin(DeadLetterColumns, ServiceFormMixin, WithRowActions, CursorAdmin):
    """Who decided what stays with each dead letter: an audit trail."""

    needs = {"change": DEVELOPER}
    newest_first = False
    list_display = DeadLetterColumns.USUAL
    more_columns = DeadLetterColumns.OTHERS
    list_display_links = ["event"]
    ready_views = (("Waiting", ""), ("Replayed", "decision=replayed"), ("Discarded", "decision=discarded"))
    list_select_related = ["delivery", "webhook", "assignee", "merchant"]
    list_filter = [WaitingFilter, ("webhook", OwnRowsFilter), DeadLetterErrorFilter, ("merchant", OwnRowsFilter)]
    form = DeadLetterForm
    fields = ["event_link", "webhook_link", "why", "remedy", "url", "assignee", "note", "decided"]
    readonly_fields = ["event_link", "webhook_link", "why", "remedy", "decided"]
    actions = ["replay_selected", "discard_selected", "take"]
    change_list_template = "desk/review.html"
    change_form_template = "desk/dead_letter.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of bulk replay and discard."""
        own, view = "webhooks_deliveries_deadletter", self.admin_site.admin_view
        return [
            path("live/", self.live, name=f"{own}_live"),  # asks by itself who is asking
            path("all/<str:what>/", view(self.decide_all), name=f"{own}_all"),
            path("all/<str:what>/narrow/", view(self.narrow), name=f"{own}_narrow"),
            *super().get_urls(),
        ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave the endpoint out where it can't be changed: the webhook's link names it."""
        fields = list(self.fields)
        return fields if self.has_change_permission(request, obj) else [name for name in fields if name != "url"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep what is decided as it was decided: it is the record."""
        return super().has_change_permission(request, obj) and getattr(obj, "resolved_at", None) is None

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """Say so where a form comes after somebody's decision; nothing of it is saved."""
        try:
            return super().change_view(request, object_id, *args, **kwargs)
        except PermissionDenied:
            dead_letter = self.get_object(request, object_id)
            if dead_letter.resolved_at is None or not self.may(request, "change", dead_letter):
                raise
            messages.error(request, manual_actions.DECIDED)
            return HttpResponseRedirect(self.page_url(dead_letter))

    def hold(self, found: DeadLetter) -> None:
        """Lock the delivery before its dead letter, as every decision does."""
        manual_actions.hold(DeadLetter.objects.filter(pk=found.pk))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Put the groups above the list: webhook and error, with how many wait."""
        rows = self.get_queryset(request).filter(resolved_at=None)
        groups = dead_letter_groups.groups(rows)
        context = {
            "groups": groups,
            "live": {
                "url": desk.reverse("webhooks_deliveries_deadletter_live"),
                "stamp": dead_letter_groups.stamp(rows),
                "ticket": live.ticket(request),
            },
            "may_decide": self.may(request, "change"),
            "replay_since": bulk_actions.since_url(min(group.oldest for group in groups)) if groups else "",
        }
        return super().changelist_view(request, (extra_context or {}) | context)

    def live(self, request: HttpRequest) -> HttpResponse:
        """Return a stamp of the queue that changes when something comes or is decided."""

        def stamp(asked: HttpRequest) -> dict[str, Any]:
            waiting = self.scope(asked, DeadLetter.objects.filter(resolved_at=None))
            return {"stamp": dead_letter_groups.stamp(waiting)}

        return live.answer(request, self.admin_site, stamp)

    def decide_all(self, request: HttpRequest, what: str) -> HttpResponse:
        """Replay or discard all that match: first the count, then the decision."""
        return bulk_actions.page(self, request, what)

    def narrow(self, request: HttpRequest, what: str) -> HttpResponse:
        """Lead to the bulk page of the narrower selection."""
        return bulk_actions.narrow(request, what)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        """Put attempts and payload below the form, and the buttons that decide into it."""
        if (dead_letter := kwargs.get("obj")) is not None:
            is_developer = self.may(request, "change", dead_letter)
            context |= delivery_page.context(dead_letter.delivery, is_for_developers=is_developer)
            context["may_decide"] = is_developer and dead_letter.resolved_at is None
        return super().render_change_form(request, context, **kwargs)

    def response_change(self, request: HttpRequest, obj: DeadLetter) -> HttpResponse:
        """Decide, where a button that decides was pressed; what the form says is saved already."""
        for button, decide in ((REPLAY, self.replay), (DISCARD, self.discard)):
            if button in request.POST:
                return self.decide(request, obj, decide)
        return super().response_change(request, obj)

    def decide(self, request: HttpRequest, dead_letter: DeadLetter, decide: Any) -> HttpResponse:
        """Replay or discard; where that can't be done any more, say why on the page of the dead letter."""
        try:
            answer = decide(request, dead_letter)
        except manual_actions.StateConflict as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self.page_url(dead_letter))
        if isinstance(answer, HttpResponse):
            return answer
        messages.success(request, answer)
        return HttpResponseRedirect(self.page_url(dead_letter))

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may decide something."""
        return self.may(request, "change")

    def read_along(self, rows: list[Any], columns: list[str]) -> None:
        """Read the events of the page's deliveries in one query, without payloads."""
        prefetch_related_objects(rows, Prefetch("delivery__event", Event.objects.only("public_id", "resource_id")))

    # --- row actions --------------------------------------------------------------------------------------------------

    @row_action(
        "Replay",
        icon="replay",
        when=lambda _dead_letter: False,  # its button, and the next one's, are part of the form
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
        danger=True,
        when=lambda _dead_letter: False,
        refusals=(manual_actions.StateConflict,),
    )
    def discard(self, request: HttpRequest, dead_letter: DeadLetter) -> str:
        """Give it up for good; the note says why. Raises ValidationError without one."""
        note = request.POST.get("note", "").strip() or dead_letter.note
        if not note:
            raise ValidationError(NO_REASON)
        manual_actions.discard(delivery=manual_actions.in_review(dead_letter), by=name_of(request), note=note)
        return "Discarded."

    @admin.action(description="Replay", permissions=["decide"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Replay the selected dead letters."""
        chosen = self.changeable(request, queryset)
        done = manual_actions.replay_all(chosen, by=name_of(request))
        self._tell(request, done, "on their way", len(queryset))

    @admin.action(description="Discard", permissions=["decide"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Discard the selected dead letters, once the reason is given."""
        chosen, note = self.changeable(request, queryset), request.POST.get("note", "").strip()
        if not note:
            return bulk_actions.ask_reason(self, request, [row.pk for row in queryset])
        done = manual_actions.discard_all(chosen, by=name_of(request), note=note)
        self._tell(request, done, "discarded", len(queryset))
        return None

    @admin.action(description="Assign to me", permissions=["decide"])
    def take(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Take the selected dead letters on."""
        with transaction.atomic():
            keys = manual_actions.hold(
                DeadLetter.objects.filter(pk__in=self.changeable(request, queryset).values("pk"))
            )
            DeadLetter.objects.filter(pk__in=keys).update(assignee_id=request.user.pk)
        messages.success(request, f"{len(keys)} assigned to you.")

    def _tell(self, request: HttpRequest, done: int, word: str, chosen: int) -> None:
        left = chosen - done
        rest = f" {left} could not be: decided already, or their webhook is off." if left > 0 else ""
        (messages.success if done else messages.warning)(request, f"{done} {word}.{rest}")
