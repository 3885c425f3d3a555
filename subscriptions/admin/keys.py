"""API keys: made once, shown once, revoked for good."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from subscriptions import desk, services
from subscriptions.admin import local_times, shown_once
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import OWNER
from subscriptions.admin.service_forms import ServiceForm, ServiceFormMixin
from subscriptions.models import ApiKey


class ApiKeyForm(ServiceForm):
    """What a new key is for."""

    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices,
        initial=[ApiKey.Scope.READ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="Permissions",
        help_text="Give a program no more than it needs: a shop that only reports orders needs “Publish events”.",
    )

    class Meta:
        model = ApiKey
        fields = ["merchant", "name", "scopes", "expires_at"]
        labels = {"expires_at": "Expires at (UTC)"}
        help_texts = {
            "name": "Which program uses it, such as “shop backend”.",
            "expires_at": "Leave empty for a key that works until you revoke it.",
        }

    def serve(self, data: dict[str, Any]) -> ApiKey:
        """Make the key and keep its text for the page that shows it."""
        person = self.request.user
        made = services.create_api_key(created_by=person if person.is_authenticated else None, **data)
        shown_once.keep(self.request, {"API key": made.text})
        return made.api_key


@desk.register(ApiKey)
class ApiKeyAdmin(ServiceFormMixin, WithRowActions):
    """Keys of a merchant's programs; owners make and revoke them."""

    form = ApiKeyForm
    needs = {"view": OWNER, "add": OWNER, "change": OWNER}
    list_display = ["key", "name", "state", "allowed", "used", "made", "merchant"]
    list_filter = [("merchant", OwnRowsFilter)]
    list_select_related = ["merchant"]
    search_fields = ["name", "prefix"]
    search_help_text = "Search names and first characters"
    readonly_fields = ["key", "state", "allowed", "used", "made", "expires"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Ask for a new key's purpose; show what is known of an old one."""
        if obj is None:
            return ["merchant", "name", "scopes", "expires_at"]
        return ["name", "key", "state", "allowed", "expires", "used", "made"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key can't be edited: revoke it and make another."""
        return False

    @row_action(
        "Revoke",
        icon="block",
        confirm="Programs that use this key are refused at once. This can't be undone.",
        danger=True,
        when=lambda key: key.revoked_at is None,
    )
    def revoke(self, request: HttpRequest, key: ApiKey) -> str:
        """Make the key useless."""
        services.revoke_api_key(api_key=key)
        return f"The key {key.prefix}… is revoked."

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the page that shows the key once."""
        return self.redirect("shown", obj)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that shows a new key."""
        shown = path(
            "<path:object_id>/shown/",
            self.admin_site.admin_view(self.shown),
            name="webhooks_subscriptions_apikey_shown",
        )
        return [shown, *super().get_urls()]

    def shown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the new key, once."""
        key = self.get_object(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": "Your new API key",
            "subject": key.name or f"{key.prefix}…",
            "advice": "Give it to your program, which sends it as the header “Authorization: Bearer …” with each call.",
            "back": desk.reverse("webhooks_subscriptions_apikey_changelist"),
        }
        return shown_once.page(request, context)

    @display(description="Key", ordering="prefix")
    def key(self, row: ApiKey) -> str:
        """Return the first characters, all that is known of it."""
        return f"{row.prefix}…"

    @display(description="State", label={"active": "success", "revoked": "danger", "expired": "warning"})
    def state(self, row: ApiKey) -> str:
        """Return active, revoked or expired."""
        if row.revoked_at:
            return "revoked"
        return "active" if row.is_usable(timezone.now()) else "expired"

    @display(description="Permissions")
    def allowed(self, row: ApiKey) -> str:
        """Return the scopes in words."""
        words = dict(ApiKey.Scope.choices)
        return ", ".join(words.get(scope, scope).lower() for scope in row.scopes)

    @display(description="Last used", ordering="last_used_at")
    def used(self, row: ApiKey) -> str:
        """Return when a program last used it."""
        return local_times.moment(row.last_used_at, never="never")

    @display(description="Created", ordering="created_at")
    def made(self, row: ApiKey) -> str:
        """Return when it was made."""
        return local_times.moment(row.created_at)

    @display(description="Expires")
    def expires(self, row: ApiKey) -> str:
        """Return when it stops working."""
        return local_times.moment(row.expires_at, never="never")
