"""A webhook's page, with what the deliveries app knows of it: health, preview, test, verification, addresses."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from unfold.decorators import display

from deliveries import dialects
from deliveries.admin import (
    delivery_page,
    payload_display,
    test_send_panel,
    verification_snippets,
    webhook_health,
    webhook_overview,
)
from deliveries.db.sessions import borrowed
from deliveries.sending import test_sends, webhook_advice
from deliveries.transport import Outcome
from subscriptions import desk, patterns, selectors
from subscriptions.admin import cells
from subscriptions.admin.scoping import DEVELOPER, own_merchants
from subscriptions.admin.webhooks import StateFilter, WebhookAdmin
from subscriptions.awaited import AwaitedResponse, is_possible
from subscriptions.conf import settings
from subscriptions.models import EventType, Webhook
from subscriptions.services import secrets

desk.site().unregister(Webhook)

NEW = "new"
"""Stands for the key of a webhook that isn't saved yet."""


class HealthFilter(StateFilter):
    """Webhooks that fail now, too."""

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the states, failing after active."""
        active, *others = super().lookups(request, model_admin)
        return [active, ("failing", "Failing"), *others]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Keep the chosen state; what fails is active, as far as its merchant decides."""
        if self.value() == "failing":
            return queryset.filter(is_enabled=True, paused_at=None, state__failures__gt=0)
        return super().queryset(request, queryset)


@desk.register(Webhook)
class DeskWebhookAdmin(WebhookAdmin):
    """Webhooks with health and test."""

    change_form_template = "desk/webhook.html"
    list_display = ["title", "listens_to", "health", "success", "last", "waiting", "dialect", "merchant"]
    more_columns = ("address", "shown_id", "made")
    list_filter = [HealthFilter, *WebhookAdmin.list_filter[1:]]
    ready_views = (
        ("All", ""),
        ("Failing", "state=failing"),
        ("Active", "state=active"),
        ("Paused", "state=paused"),
        ("Off", "state=off"),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Read how the page's webhooks fare, in one query."""
        answer = super().changelist_view(request, extra_context)
        if changelist := getattr(answer, "context_data", None) and answer.context_data.get("cl"):
            rows = list(changelist.result_list)
            found = webhook_health.figures(row.pk for row in rows)
            for row in rows:
                row.figures = found[row.pk]
            changelist.result_list = rows
        return answer

    @display(
        description="State", label={"active": "success", "failing": "danger", "paused": "warning", "off": "default"}
    )
    def health(self, row: Any) -> str:
        """Return active, paused or off; failing where the last attempts failed."""
        return webhook_overview.state_of(row, is_failing=row.figures.is_failing)

    @display(description="Arrived, 24 h")
    def success(self, row: Any) -> str:
        """Return the share of a day's deliveries that arrived, over that of its attempts where it differs."""
        arrived, of_attempts = row.figures.success, row.figures.of_attempts
        return cells.lines(arrived, f"{of_attempts} of attempts" if arrived != of_attempts else "")

    @display(description="Last attempt, UTC")
    def last(self, row: Any) -> str:
        """Return when the endpoint was last asked, or that it never was."""
        return cells.brief(row.figures.last_at)

    @display(description="Waiting")
    def waiting(self, row: Any) -> str:
        """Return how many deliveries wait for an attempt."""
        return str(row.figures.waiting)

    @display(description="Id")
    def shown_id(self, row: Any) -> str:
        """Return the id, as the API has it."""
        return str(row.public_id)

    @display(description="Created, UTC")
    def made(self, row: Any) -> str:
        """Return when it was made."""
        return cells.brief(row.created_at)

    def get_urls(self) -> list[URLPattern]:
        """Add preview and test, of saved and unsaved webhooks."""
        view, own = self.admin_site.admin_view, "webhooks_subscriptions_webhook"
        return [
            path("<str:object_id>/preview/", view(self.preview), name=f"{own}_preview"),
            path("<str:object_id>/test/", view(self.test), name=f"{own}_test"),
            *super().get_urls(),
        ]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        """Put health, test and verification onto the page."""
        webhook = kwargs.get("obj")
        key = webhook.pk if webhook else NEW
        names = list(EventType.objects.filter(is_active=True).values_list("name", flat=True))
        samples = webhook_advice.samples_of(webhook) if webhook else []
        context |= {
            "warnings": webhook_advice.warnings(webhook, samples) if webhook else [],
            "trials": webhook_advice.trials(webhook.filter, samples) if webhook else [],
            "health": webhook_health.of(webhook) if webhook else None,
            "may_try": self.may(request, "change", webhook),
            "samples": names,
            "sample": _sample(webhook, names),
            "preview_url": desk.reverse("webhooks_subscriptions_webhook_preview", key),
            "test_url": desk.reverse("webhooks_subscriptions_webhook_test", key),
            "snippets": _snippets(webhook) if webhook else None,
            "dialect": dialects.get(webhook.dialect) if webhook else None,
            "source_ips": settings.WEBHOOKS_SOURCE_IPS,
        }
        if webhook:
            context |= webhook_overview.context(webhook, context["health"])
            context |= {"rotate_url": self.row_action_url("rotate", webhook)}
            context |= {"switch_url": self.row_action_url("switch", webhook)}
        return super().render_change_form(request, context, **kwargs)

    def preview(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show what the form's values would send."""
        return self._try(request, object_id, "desk/preview.html", is_sent=False)

    def test(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Send a sample event as the form's values say, and show the whole exchange."""
        return self._try(request, object_id, "desk/test.html", is_sent=True)

    def _try(self, request: HttpRequest, object_id: str, template: str, *, is_sent: bool) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        webhook = None if object_id == NEW else self.get_object(request, object_id)
        if not self.may(request, "change", webhook):
            raise PermissionDenied
        try:
            with borrowed():  # no connection is held while the endpoint takes its time
                tried = test_send_panel.prepare(request.POST, webhook=webhook, merchant=self._merchant(request))
        except ValidationError as error:
            return TemplateResponse(request, "desk/not_yet.html", {"problems": error.message_dict})
        context: dict[str, Any] = {"draft": tried, "body": payload_display.pretty(tried.body)}
        if not is_sent:
            return TemplateResponse(request, template, context)
        try:
            awaited = test_sends.begin(tried.prepared)
        except test_sends.TooManyTests as error:
            return TemplateResponse(request, "desk/too_many.html", {"told": error}, status=429)

        def make(outcome: Outcome) -> bytes:
            told = context | _told(shown := test_sends.shown(tried.prepared, outcome), tried.prepared.webhook.kind)
            if tried.is_of_newest and webhook and shown.delivered:
                with borrowed():
                    secrets.note_accepted(webhook)
                told["is_accepted"] = True
            return render_to_string(template, told, request).encode()

        return AwaitedResponse(awaited, make) if is_possible(request) else HttpResponse(make(awaited.result()))

    def _merchant(self, request: HttpRequest) -> Any:
        key = request.POST.get("merchant", "")
        mine = own_merchants(request, DEVELOPER)
        return mine.filter(pk=int(key)).first() if key.isascii() and key.isdigit() and len(key) < 19 else None


def _told(outcome: Outcome, kind: str) -> dict[str, Any]:
    tone, text = test_send_panel.diagnosis(outcome, kind)
    return {
        "outcome": outcome,
        "tone": tone,
        "diagnosis": text,
        "bars": delivery_page.bars(outcome),
        "answer_headers": payload_display.as_lines(outcome.headers),
        "answer": payload_display.text_of(outcome.body),
    }


def _snippets(webhook: Webhook) -> verification_snippets.Snippets:
    by_public_key = webhook.dialect == "standard" and bool(selectors.public_keys_of(webhook))
    return verification_snippets.of(webhook.dialect, by_public_key=by_public_key)


def _sample(webhook: Webhook | None, names: list[str]) -> str:
    """Return the event a test offers first: one the webhook listens to."""
    subscribed = [each.pattern for each in webhook.subscriptions.all() if each.ended_at is None] if webhook else []
    heard = (name for name in names if any(patterns.matches(pattern, name) for pattern in subscribed))
    return next(heard, "order.created")
