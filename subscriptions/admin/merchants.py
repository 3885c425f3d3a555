"""Merchants: made with their first owner, and their settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanSwitchWidget

from subscriptions import desk, services
from subscriptions.admin import cells, local_times, shown_once
from subscriptions.admin.row_actions import WithRowActions
from subscriptions.admin.scoping import OWNER, STAFF
from subscriptions.admin.service_forms import ServiceForm, ServiceFormMixin
from subscriptions.models import Merchant


class MerchantForm(ServiceForm):
    """A merchant's own settings; for a new one, its first owner comes with it."""

    existing_account = forms.BooleanField(
        label="The address has an account: let it own this merchant, too",
        required=False,
        help_text="Only if you know that the account is the person's. Else an address with an account is refused.",
        widget=UnfoldBooleanSwitchWidget,
    )

    class Meta:
        model = Merchant
        fields = ["name", "email", "domain", "validate_events"]
        labels = {"email": "Notifications go to", "domain": "Shop domain"}
        help_texts = {
            "email": "We write here when deliveries need a person, such as when a webhook keeps failing.",
            "domain": "Such as shop.example.com. The Alva dialect sends it as “shop”.",
        }

    def serve(self, data: dict[str, Any]) -> Merchant:
        """Create the merchant with its first owner and key, or save its settings."""
        if self.instance.pk:
            data.pop("existing_account", None)
            return services.update_merchant(merchant=self.instance, **data)
        made = services.create_merchant(**data)
        secrets = {"User name": made.user.get_username(), "API key": made.api_key}
        shown_once.keep(self.request, secrets | ({"Password": made.password} if made.password else {}))
        return made.merchant


@desk.register(Merchant)
class MerchantAdmin(ServiceFormMixin, WithRowActions):
    """Merchants: staff create them, owners keep their settings."""

    form = MerchantForm
    merchant_path = "id"
    needs = {"add": STAFF, "change": OWNER}
    list_display = ["title", "public_id", "email", "active", "when"]
    list_display_links = ["title"]
    search_fields = ["name", "public_id", "domain"]
    search_help_text = "Search names, ids and domains"
    readonly_fields = ["public_id", "active", "since"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show the id and the dates once there are some."""
        return ["name", "email", "domain"] + (
            ["existing_account"] if obj is None else ["validate_events", "public_id", "active", "since"]
        )

    def response_add(self, request: HttpRequest, obj: Merchant, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the page that shows the first owner's key and password once."""
        return self.redirect("shown", obj)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that shows a new merchant's key."""
        view = self.admin_site.admin_view(self.shown)
        return [
            path("<path:object_id>/shown/", view, name="webhooks_subscriptions_merchant_shown"),
            *super().get_urls(),
        ]

    def shown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the first owner's key and password, once."""
        merchant = self.get_object(request, object_id)
        context = {
            "title": "A new merchant",
            "subject": merchant.name,
            "advice": "Hand these to the merchant by a safe way; the owner changes the password after signing in.",
            "back": desk.reverse("webhooks_subscriptions_merchant_changelist"),
        }
        return shown_once.page(request, self.admin_site.each_context(request) | context)

    @display(description="Merchant", ordering="name")
    def title(self, row: Merchant) -> str:
        """Return the name over the domain."""
        return cells.lines(row.name, row.domain)

    @display(description="Since, UTC", ordering="created_at")
    def when(self, row: Merchant) -> str:
        """Return when it was created, for the list."""
        return cells.brief(row.created_at)

    @display(description="Active", boolean=True, ordering="is_active")
    def active(self, row: Merchant) -> bool:
        """Tell whether the merchant may change and publish anything."""
        return row.is_active

    @display(description="Since", ordering="created_at")
    def since(self, row: Merchant) -> str:
        """Return when it was created."""
        return local_times.moment(row.created_at)
