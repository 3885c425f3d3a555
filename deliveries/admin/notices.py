"""Notices: what was told about webhooks, and who is told what by e-mail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from deliveries.admin import attention
from deliveries.admin.keyset_pages import CursorAdmin
from deliveries.models import ExpungedPayload, Notice, NoticePreference, WebhookState
from deliveries.sentences import counted
from subscriptions import desk
from subscriptions.admin import cells, local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.scoping import OWNER, MerchantScoped
from subscriptions.services import people

TONES = {
    Notice.Kind.DEAD: "danger",
    Notice.Kind.FAILURE_RATE: "warning",
    Notice.Kind.DISABLED: "danger",
    Notice.Kind.PAUSED: "warning",
    Notice.Kind.FAILING: "info",
    Notice.Kind.RECOVERED: "success",
    Notice.Kind.CERTIFICATE: "warning",
}


@desk.register(Notice)
class NoticeAdmin(CursorAdmin):
    """What happened at webhooks that a person should know, mailed or not."""

    list_display = ["what", "address", "why", "times", "when", "mailed", "merchant"]
    list_display_links = ["address"]
    list_select_related = ["webhook", "merchant"]
    list_filter = [("webhook", OwnRowsFilter), ("kind", ChoicesDropdownFilter), ("merchant", OwnRowsFilter)]
    fields = readonly_fields = ["kind_said", "webhook_page", "why", "now", "times", "first", "last", "mailed"]

    @display(description="Now")
    def now(self, row: Notice) -> str:
        """Return whether the webhook still fails, why, and what to do about it."""
        state = WebhookState.objects.filter(webhook=row.webhook_id, failures__gt=0).first()
        if state is None:
            return "Its last attempt succeeded, or none was made yet."
        failure = render_to_string("desk/failure.html", {"failure": attention.last_failure(row.webhook)})
        times = f"Still failing, {counted(state.failures, 'time')} in a row."
        return format_html('<div class="desk-page"><p>{}</p>{}</div>', times, failure)

    @display(description="Last, UTC")
    def when(self, row: Notice) -> str:
        """Return when it last happened, for the list."""
        return cells.brief(row.last_at)

    @display(description="Last time")
    def last(self, row: Notice) -> str:
        """Return when it last happened."""
        return local_times.moment(row.last_at)

    @display(description="First time")
    def first(self, row: Notice) -> str:
        """Return when it first happened."""
        return local_times.moment(row.first_at)

    @display(description="What", label=TONES)
    def what(self, row: Notice) -> tuple[str, str]:
        """Return the kind."""
        return row.kind, row.get_kind_display()

    @display(description="What")
    def kind_said(self, row: Notice) -> str:
        """Return the kind for the notice's own page, where the theme draws no labels."""
        return row.get_kind_display()

    @display(description="Webhook")
    def address(self, row: Notice) -> str:
        """Return the webhook's name over its address."""
        return cells.webhook(row.webhook.name, row.webhook.place)

    @display(description="Webhook")
    def webhook_page(self, row: Notice) -> str:
        """Return the way to the webhook, and to what was sent there."""
        page = desk.reverse("webhooks_subscriptions_webhook_change", row.webhook_id)
        log = f"{desk.reverse('webhooks_deliveries_delivery_changelist')}?webhook__id__exact={row.webhook_id}"
        links = '<a class="desk-link" href="{}">{}</a> (<a class="desk-link" href="{}">its deliveries</a>)'
        return format_html(links, page, row.webhook, log)

    @display(description="Times")
    def times(self, row: Notice) -> int:
        """Return how often it happened."""
        return row.count

    @display(description="Why")
    def why(self, row: Notice) -> str:
        """Return the last reason in a sentence."""
        return cells.clamped(row.reason) if row.reason else local_times.DASH

    @display(description="E-mail")
    def mailed(self, row: Notice) -> str:
        """Return when it was mailed to how many, or why not."""
        if row.error:
            return f"not mailed: {row.error}"
        if row.sent_at is None:
            return local_times.sentence("due {}", row.due_at)
        count = len(row.told.splitlines())
        return (
            local_times.sentence(f"sent to {count} {'person' if count == 1 else 'people'}, {{}}", row.sent_at)
            if count
            else "nobody asked for these"
        )


class NoticeWishForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who wants what."""

    def clean(self) -> dict[str, Any]:
        """Refuse whoever is no member of the merchant."""
        data = super().clean() or {}
        merchant, user = data.get("merchant"), data.get("user")
        if merchant and user and not merchant.memberships.filter(user=user).exists():
            self.add_error("user", f"Choose a member of {merchant}.")
        return data


@desk.register(NoticePreference)
class NoticeWishAdmin(MerchantScoped):
    """Who is told what by e-mail; owners decide. Without a row the merchant's address gets the usual."""

    form = NoticeWishForm
    needs = {"add": OWNER, "change": OWNER, "delete": OWNER}
    list_display = ["who", *Notice.Kind.values, "merchant"]
    list_display_links = ["who"]
    list_select_related = ["merchant", "user"]
    fields = ["merchant", "user", *Notice.Kind.values]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Whom it is about doesn't change."""
        return [] if obj is None else ["merchant", "user"]

    @display(description="Who")
    def who(self, row: NoticePreference) -> str:
        """Return the member's address, or the merchant's own."""
        return people.address(row.user) if row.user else f"{row.merchant.email} (the merchant)"


@desk.register(ExpungedPayload)
class ExpunctionAdmin(CursorAdmin):
    """Payloads that were taken out on request: by whom and when."""

    list_display = ["when", "event_id", "event_type", "by", "note", "attempts", "cancelled", "merchant"]
    list_display_links = ["when"]
    list_select_related = ["merchant"]
    fields = readonly_fields = ["when", "event_id", "event_type", "by", "note", "attempts", "cancelled"]

    @display(description="When")
    def when(self, row: ExpungedPayload) -> str:
        """Return when it was done."""
        return local_times.moment(row.created_at)
