"""Download links."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from examples.storefront import services
from examples.storefront.models import Download
from subscriptions.acting import name_of
from subscriptions.admin import local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER


@admin.register(Download)
class DownloadAdmin(WithRowActions):
    """Download links; they are made by orders and over the API."""

    needs = {"change": DEVELOPER}
    list_display = ["public_id", "file", "customer_email", "used", "expires", "state", "merchant"]
    list_filter = [("merchant", OwnRowsFilter)]
    list_select_related = ["merchant", "file"]
    search_fields = ["public_id", "customer_email", "file__filename"]
    search_help_text = "Search ids, addresses and files"
    fields = ["public_id", "file", "order", "customer_email", "used", "expires", "state"]
    readonly_fields = fields

    @display(description="Used")
    def used(self, row: Download) -> str:
        """Return how often of how many times."""
        return f"{row.count} of {row.limit or 'any number'}"

    @display(description="Expires", ordering="expires_at")
    def expires(self, row: Download) -> str:
        """Return when it stops working."""
        return local_times.moment(row.expires_at, never="never")

    @display(
        description="State", label={"open": "success", "revoked": "danger", "expired": "warning", "used up": "info"}
    )
    def state(self, row: Download) -> str:
        """Return whether it works, and why not."""
        if row.revoked_at:
            return "revoked"
        if row.expired_at:
            return "expired"
        return "used up" if row.remaining == 0 else "open"

    @row_action(
        "Revoke",
        icon="link_off",
        danger=True,
        confirm="The customer can't fetch the file by this link any more.",
        when=lambda link: link.revoked_at is None,
    )
    def revoke(self, request: HttpRequest, link: Download) -> str:
        """Take it back."""
        services.revoke_download(download=link, by=name_of(request), reason="revoked_by_hand")
        return f"The link of {link.customer_email} is revoked."
