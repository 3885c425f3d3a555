"""Bulk jobs that programs started over the API: how far each is, and who asked for it."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from unfold.decorators import display

from deliveries.admin.cursor import CursorAdmin
from deliveries.models import Job
from subscriptions.admin import moments
from subscriptions.admin.scoping import OwnRowsFilter


@admin.register(Job)
class JobAdmin(CursorAdmin):
    """Replays and discards of many deliveries."""

    list_display = ["when", "what", "state", "progress", "by", "note", "merchant"]
    list_select_related = ["merchant"]
    list_filter = [("merchant", OwnRowsFilter)]
    fields = ["public_id", "kind", "source", "selection", "state", "progress", "by", "note", "error"]
    readonly_fields = ["public_id", "state", "progress"]

    @display(description="Started")
    def when(self, row: Job) -> str:
        """Return when it was asked for."""
        return moments.moment(row.created_at)

    @display(description="What")
    def what(self, row: Job) -> str:
        """Return what it does to which rows."""
        return f"{row.get_kind_display()}: {row.get_source_display().lower()}"

    @display(description="State", label={"done": "success", "failed": "danger", "running": "info", "queued": "warning"})
    def state(self, row: Job) -> tuple[str, str]:
        """Return where it stands."""
        return row.status, row.get_status_display()

    @display(description="Progress")
    def progress(self, row: Job) -> str:
        """Return a bar with the count."""
        bar = '<progress max="{}" value="{}" aria-label="Progress"></progress> {} of {}'
        return format_html(bar, max(1, row.total), row.done, row.done, row.total)
