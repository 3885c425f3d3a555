"""The record of what was changed at a webhook, when and by whom."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from subscriptions.models.webhooks import Webhook


class WebhookChange(models.Model):
    """One change of a webhook. It names settings, never their values: some of those are secret."""

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="changes", db_index=False)
    action = models.CharField(max_length=20, help_text="One of signals.ACTIONS.")
    details = models.TextField(blank=True, help_text="What of it, in words.")
    by = models.CharField(max_length=150, blank=True, help_text="The person or key; empty: the platform itself.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["webhook", "-id"], name="webhook_change_of_webhook")]

    def __str__(self) -> str:
        return f"{self.action} {self.created_at:%Y-%m-%d}"
