"""Webhooks: their list, their form, and what can be done to one. The deliveries app adds what it knows of them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from subscriptions import desk, selectors, services
from subscriptions.acting import name_of
from subscriptions.admin import cells, destination_fields, local_times, shown_once, sign_in_fields, text_settings
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions, row_action
from subscriptions.admin.scoping import DEVELOPER
from subscriptions.admin.service_forms import ServiceFormMixin
from subscriptions.admin.webhook_form import WebhookForm
from subscriptions.models import Subscription, Webhook
from subscriptions.patterns import EVERYTHING
from subscriptions.validators.destinations import OF_SENDING
from subscriptions.webhook_rules import ED25519, HTTPS, PULL

PATTERNS_SHOWN = 3


class StateFilter(DropdownFilter):
    """Webhooks that are active, paused or off."""

    title, parameter_name = "state", "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the states."""
        return [("active", "Active"), ("paused", "Paused"), ("off", "Off")]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen state."""
        match self.value():
            case "active":
                return queryset.filter(is_enabled=True, paused_at=None)
            case "paused":
                return queryset.filter(is_enabled=True).exclude(paused_at=None)
            case "off":
                return queryset.filter(is_enabled=False)
        return queryset.none() if self.value() else queryset


class WebhookAdmin(ServiceFormMixin, WithRowActions):
    """A merchant's webhooks."""

    form = WebhookForm
    needs = {"add": DEVELOPER, "change": DEVELOPER, "delete": DEVELOPER}
    list_display = ["title", "listens_to", "dialect", "is_active", "merchant"]
    list_select_related = ["merchant"]
    list_filter = [StateFilter, ("merchant", OwnRowsFilter)]
    search_fields = ["name", "url", "public_id"]
    search_help_text = "Search names and addresses"
    change_form_template = "subscriptions/webhook_form.html"
    readonly_fields = ["address", "is_active", "listens_to", "secrets_text"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "merchant",
                    "name",
                    "kind",
                    "url",
                    *destination_fields.NAMES,
                    "dialect",
                    "secret",
                    "signature",
                    "is_enabled",
                ]
            },
        ),
        ("Events", {"classes": ["in-events"], "fields": ["events", "patterns"]}),
        ("Sign-in at your endpoint", {"classes": ["collapse", "in-signing"], "fields": [*sign_in_fields.NAMES]}),
        (
            "Retries",
            {"classes": ["collapse", "in-limits"], "fields": ["retry_policy", "timeout", "ordering", "expire_after"]},
        ),
        (
            "Message",
            {
                "classes": ["collapse"],
                "fields": ["filter", "chosen_fields", "transform", "headers", "body_style", "api_version"],
            },
        ),
        ("Limits", {"classes": ["collapse", "in-limits"], "fields": ["max_in_flight", "rate_limit"]}),
    ]
    viewer_fieldsets = [
        (None, {"fields": ["name", "address", "dialect", "is_active", "listens_to", "secrets_text"]}),
        (
            "Settings",
            {"fields": ["filter", "transform", "timeout", "max_in_flight", "rate_limit", "body_style", "api_version"]},
        ),
        ("Order and age", {"fields": ["ordering", "expire_after"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what makes no sense for this person, or once the webhook exists."""
        if obj is None:
            return self.fieldsets
        if not self.has_change_permission(request, obj):
            return self.viewer_fieldsets
        if obj.kind == HTTPS:
            left_out = {"merchant", "kind", "signature", *destination_fields.NAMES}
        elif obj.kind == PULL:
            left_out = {"merchant", "kind", "signature", *destination_fields.NAMES, *sign_in_fields.NAMES, *OF_SENDING}
        else:
            others = {*destination_fields.NAMES, *sign_in_fields.NAMES} - {*destination_fields.of_kind(obj.kind)}
            left_out = {"merchant", "kind", "signature", "url", "dialect", "headers", "body_style", "api_version"}
            left_out |= others
        # The page shows a part at a time, so nothing in it need be folded; the secret is beside what signs.
        kept = [
            *(
                (
                    title,
                    {
                        "classes": [name for name in options.get("classes", []) if name != "collapse"],
                        "fields": [name for name in options["fields"] if name not in left_out | {"secret"}],
                    },
                )
                for title, options in self.fieldsets
            ),
            ("Secret", {"classes": ["in-signing"], "fields": ["secrets_text", "secret"]}),
        ]
        return [(title, options) for title, options in kept if options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out the deleted, and read along what each listens to."""
        present = Prefetch("subscriptions", Subscription.objects.filter(ended_at=None))
        return super().get_queryset(request).filter(deleted_at=None).prefetch_related(present)

    # --- saving -------------------------------------------------------------------------------------------------

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the page that shows the secret once."""
        return self.redirect("shown", obj)

    def response_change(self, request: HttpRequest, obj: Webhook) -> HttpResponse:
        """Stay on the page, where Test is."""
        if "_continue" not in request.POST and "_addanother" not in request.POST:
            values = request.POST.copy()
            values["_continue"] = "1"
            request.POST = values  # type: ignore[assignment]
        return super().response_change(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say what happens instead of collecting the log: the row stays, and with it every delivery."""
        names = [f"{webhook}: it stops receiving events; its log stays" for webhook in objs]
        return names, {self.opts.verbose_name_plural: len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        """Delete through the service."""
        services.delete_webhook(webhook=obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete the person's own among the selected through the service."""
        for webhook in self.changeable(request, queryset):
            services.delete_webhook(webhook=webhook)

    # --- row actions --------------------------------------------------------------------------------------------------

    @row_action("Pause", icon="pause", when=lambda webhook: webhook.paused_at is None)
    def pause(self, request: HttpRequest, webhook: Webhook) -> str:
        """Hold what comes until somebody resumes."""
        services.pause(webhook=webhook, by=name_of(request))
        return "Paused. Events wait here and are delivered when you resume."

    @row_action("Resume", icon="play_arrow", when=lambda webhook: webhook.paused_at is not None)
    def resume(self, request: HttpRequest, webhook: Webhook) -> str:
        """Deliver what waited."""
        services.resume(webhook=webhook, by=name_of(request))
        return "Resumed. What waited is being delivered."

    @row_action("Switch on", icon="toggle_on", when=lambda webhook: not webhook.is_enabled)
    def enable(self, request: HttpRequest, webhook: Webhook) -> str:
        """Let it receive events again."""
        services.enable(webhook=webhook)
        return "Switched on. It receives events from now on; those skipped meanwhile are not sent."

    @row_action(
        "Rotate secret",
        icon="key",
        when=lambda _webhook: False,  # its form, and the next one's, stand with the secrets
    )
    def rotate(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """Make a new secret beside the present one, which goes on signing for the overlap that was chosen."""
        return self._rotate(request, webhook)

    @row_action(
        "Sign with a key pair",
        icon="vpn_key",
        confirm="A key pair is made; its public key is on the webhook's page from then on. The present secret goes "
        "on signing for the overlap, so that your endpoint has time to change.",
        when=lambda webhook: webhook.dialect == "standard" and not selectors.public_keys_of(webhook),
    )
    def pair(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """Make a key pair beside the present secret."""
        return self._rotate(request, webhook, ED25519)

    def _rotate(self, request: HttpRequest, webhook: Webhook, signature: str | None = None) -> HttpResponse:
        seconds = request.POST.get("overlap", "")
        overlap = timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 9 else None
        secret = services.rotate_secret(webhook=webhook, signature=signature, overlap=overlap)
        shown_once.keep(request, shown_once.of_secret(secret, "New signing secret"))
        return self.redirect("shown", webhook)

    @row_action(
        "Switch to the new secret",
        icon="sync_lock",
        when=lambda _webhook: False,
    )
    def switch(self, request: HttpRequest, webhook: Webhook) -> str:
        """End the overlap."""
        services.switch_secret(webhook=webhook)
        return "The new secret signs from now on; the old one is worthless."

    # --- the page that shows a secret ---------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the page that shows a new secret."""
        view = self.admin_site.admin_view(self.shown)
        return [path("<path:object_id>/shown/", view, name="webhooks_subscriptions_webhook_shown"), *super().get_urls()]

    def shown(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the secret, once."""
        webhook = self.get_object(request, object_id)
        ends = [secret.expires_at for secret in webhook.secrets.defer("value") if secret.is_active()]
        left = max((end for end in ends if end), default=timezone.now()) - timezone.now()
        overlap = timedelta(minutes=math.ceil(left / timedelta(minutes=1)))
        context = {
            "title": "Signing secret",
            "subject": str(webhook),
            "advice": "Put it into your endpoint's configuration: by it your code checks that a message comes from us."
            + (f" The old secret goes on signing for at most {text_settings.wait_words(overlap)}." if overlap else ""),
            "back": self.page_url(webhook) + ("#signing" if len(ends) > 1 else "#overview"),
            "onward": "I have copied it: test it" if len(ends) > 1 else "I have copied it: send a test",
        }
        return shown_once.page(request, self.admin_site.each_context(request) | context)

    # --- what lists and pages show ------------------------------------------------------------------------------

    @display(description="Webhook", ordering="name")
    def title(self, row: Webhook) -> str:
        """Return the name over the address."""
        return cells.webhook(row.name, row.place)

    @display(description="Where to", ordering="url")
    def address(self, row: Webhook) -> str:
        """Return the address."""
        return row.place

    @display(description="Listens to")
    def listens_to(self, row: Webhook) -> str:
        """Return the first patterns and how many more there are."""
        patterns = [subscription.pattern for subscription in row.subscriptions.all() if subscription.ended_at is None]
        if EVERYTHING in patterns:
            others = ", ".join(pattern for pattern in patterns if pattern != EVERYTHING)
            return cells.lines("Everything", f"and {others}" if others else "")
        rest = len(patterns) - PATTERNS_SHOWN
        return cells.lines(", ".join(patterns[:PATTERNS_SHOWN]), f"and {rest} more" if rest > 0 else "")

    @display(description="State", label={"active": "success", "paused": "warning", "off": "danger"})
    def is_active(self, row: Webhook) -> str:
        """Return active, paused or off."""
        if not row.is_enabled:
            return "off"
        return "active" if row.paused_at is None else "paused"

    @display(description="Secrets")
    def secrets_text(self, row: Webhook) -> str:
        """Say how many secrets sign, without showing any."""
        active = [secret for secret in row.secrets.defer("value") if secret.is_active()]
        if keys := [secret.public_key for secret in active if secret.public_key]:
            return cells.public_keys(keys, beside_shared=len(keys) < len(active))
        if len(active) < 2:
            return "One secret signs. It was shown once and can't be shown again; rotate it if you lost it."
        ends = min(secret.expires_at for secret in active if secret.expires_at)
        return local_times.sentence("Two secrets overlap. The old one stops signing {}.", ends)


desk.site().register(Webhook, WebhookAdmin)
