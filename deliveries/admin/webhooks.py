"""A webhook's page, with what the deliveries app knows of it: health, test, preview, log."""

from __future__ import annotations

from django.contrib import admin

from subscriptions.admin.webhooks import WebhookAdmin
from subscriptions.models import Webhook

admin.site.unregister(Webhook)


@admin.register(Webhook)
class DeskWebhookAdmin(WebhookAdmin):
    """Webhooks with health and test."""
