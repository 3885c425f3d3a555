"""Merchants and the people who work for them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from unfold.decorators import display

from subscriptions import services
from subscriptions.admin import local_times, shown_once
from subscriptions.admin.members import InviteForm, is_last_owner
from subscriptions.admin.row_actions import WithRowActions
from subscriptions.admin.scoping import OWNER, STAFF, OwnRowsFilter
from subscriptions.admin.service_forms import ServiceForm, ServiceFormMixin
from subscriptions.models import Membership, Merchant


class MerchantForm(ServiceForm):
    """A merchant's own settings; for a new one, its first owner comes with it."""

    class Meta:
        model = Merchant
        fields = ["name", "email", "domain", "validate_events"]
        labels = {"email": "Notices go to", "domain": "Shop domain"}
        help_texts = {
            "email": "We write here when deliveries need a person, such as when a webhook keeps failing.",
            "domain": "Such as shop.example.com. The alva dialect sends it as “shop”.",
        }

    def serve(self, data: dict[str, Any]) -> Merchant:
        """Create the merchant with its first owner and key, or save its settings."""
        if self.instance.pk:
            for field, value in data.items():
                setattr(self.instance, field, value)
            self.instance.full_clean()
            self.instance.save(update_fields=[*data, "updated_at"])
            return self.instance
        made = services.create_merchant(**data)
        secrets = {"User name": made.user.get_username(), "API key": made.api_key}
        shown_once.keep(self.request, secrets | ({"Password": made.password} if made.password else {}))
        return made.merchant


@admin.register(Merchant)
class MerchantAdmin(ServiceFormMixin, WithRowActions):
    """Merchants: staff create them, owners keep their settings."""

    form = MerchantForm
    merchant_path = "id"
    needs = {"add": STAFF, "change": OWNER}
    list_display = ["name", "public_id", "email", "domain", "active", "since"]
    list_display_links = ["name"]
    search_fields = ["name", "public_id", "domain"]
    readonly_fields = ["public_id", "active", "since"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show the id and the dates once there are some."""
        return ["name", "email", "domain"] + (
            [] if obj is None else ["validate_events", "public_id", "active", "since"]
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
            "back": reverse("admin:webhooks_subscriptions_merchant_changelist"),
        }
        return shown_once.page(request, self.admin_site.each_context(request) | context)

    @display(description="Active", boolean=True, ordering="is_active")
    def active(self, row: Merchant) -> bool:
        """Tell whether the merchant may change and publish anything."""
        return row.is_active

    @display(description="Since", ordering="created_at")
    def since(self, row: Merchant) -> str:
        """Return when it was created."""
        return local_times.moment(row.created_at)


@admin.register(Membership)
class MembershipAdmin(ServiceFormMixin, WithRowActions):
    """Members of a merchant: owners invite, change roles and remove."""

    form = InviteForm
    needs = {"add": OWNER, "change": OWNER, "delete": OWNER}
    list_display = ["person", "email", "duty", "since", "merchant"]
    list_filter = [("merchant", OwnRowsFilter)]
    list_select_related = ["merchant", "user"]
    search_fields = ["user__username", "user__email"]
    readonly_fields = ["person", "merchant_name"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Ask who; afterwards only the role can change."""
        return ["merchant", "email", "role"] if obj is None else ["person", "merchant_name", "role"]

    def response_add(self, request: HttpRequest, obj: Membership, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the page that shows a new account's password once, if one was made."""
        if shown_once.waits(request):
            return self.redirect("shown", obj)
        return super().response_add(request, obj, post_url_continue)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that shows a new account's password."""
        view = self.admin_site.admin_view(self.shown)
        return [
            path("<path:object_id>/shown/", view, name="webhooks_subscriptions_membership_shown"),
            *super().get_urls(),
        ]

    def shown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a new account's password, once."""
        membership = self.get_object(request, object_id)
        context = {
            "title": "A new member",
            "subject": membership.user.get_username(),
            "advice": "Send it by a safe way. It can be changed after signing in, at the top right.",
            "back": reverse("admin:webhooks_subscriptions_membership_changelist"),
        }
        return shown_once.page(request, self.admin_site.each_context(request) | context)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the last owner: without one nobody could invite another."""
        return super().has_delete_permission(request, obj) and not (obj is not None and is_last_owner(obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Remove members one at a time, from their page."""
        return {}

    @display(description="Member", ordering="user__username")
    def person(self, row: Membership) -> str:
        """Return the person's name."""
        return row.user.get_full_name() or row.user.get_username()

    @display(description="E-mail", ordering="user__email")
    def email(self, row: Membership) -> str:
        """Return the person's address."""
        return row.user.email

    @display(description="Merchant")
    def merchant_name(self, row: Membership) -> str:
        """Return the merchant."""
        return row.merchant.name

    @display(description="Role", ordering="role", label={"owner": "primary", "developer": "info", "viewer": "success"})
    def duty(self, row: Membership) -> tuple[str, str]:
        """Return the role."""
        return row.role, row.role.capitalize()

    @display(description="Since", ordering="created_at")
    def since(self, row: Membership) -> str:
        """Return when the person joined."""
        return local_times.moment(row.created_at)
