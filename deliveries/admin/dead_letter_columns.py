"""Columns of the review queue, and what its pages read beside the form."""

from __future__ import annotations

from django.utils.html import format_html
from unfold.decorators import display

from deliveries.admin import labels
from deliveries.models import DeadLetter
from subscriptions import desk
from subscriptions.admin import cells, local_times


class DeadLetterColumns:
    """What a row of the queue says. Rows have their delivery with its event, webhook and assignee read along."""

    USUAL = ["died_of", "event", "address", "why", "handled", "when", "merchant"]
    OTHERS = ("url_text", "delivery_code", "noted")

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
        link = '{} {} <a class="desk-link" href="{}">See the delivery</a>'
        return format_html(link, row.delivery.event_type, row.delivery.event.resource_id, page)

    @display(description="Webhook")
    def webhook_link(self, row: DeadLetter) -> str:
        """Return a way to the webhook."""
        page = desk.reverse("webhooks_subscriptions_webhook_change", row.webhook_id)
        return format_html('<a class="desk-link" href="{}">{}</a>', page, row.webhook)

    @display(description="What to do")
    def remedy(self, row: DeadLetter) -> str:
        """Return what the merchant can do about the error."""
        return labels.advice(row.error, row.status_code) or local_times.DASH

    @display(description="Webhook")
    def address(self, row: DeadLetter) -> str:
        """Return where it was to go."""
        return cells.webhook(row.webhook.name, row.webhook.place)

    @display(description="Failure", label={"failed": "danger"})
    def died_of(self, row: DeadLetter) -> tuple[str, str]:
        """Return the status or the error."""
        return "failed", str(row.status_code or labels.error_title(row.error) or local_times.DASH)

    @display(description="Why")
    def why(self, row: DeadLetter) -> str:
        """Return the reason in a sentence."""
        return cells.clamped(row.reason)

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
            return "Waiting"
        return local_times.sentence(f"{row.get_resolution_display()} by {{}}, {{}}", row.resolved_by, row.resolved_at)

    @display(description="Endpoint URL")
    def url_text(self, row: DeadLetter) -> str:
        """Return the whole address."""
        return row.webhook.place

    @display(description="Delivery id")
    def delivery_code(self, row: DeadLetter) -> str:
        """Return the delivery's id, by which the API addresses the dead letter."""
        return row.delivery.public_id

    @display(description="Note")
    def noted(self, row: DeadLetter) -> str:
        """Return what people wrote about it."""
        return cells.lines(row.note) if row.note else local_times.DASH
