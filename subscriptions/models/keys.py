"""API keys of a merchant's programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from subscriptions import ids
from subscriptions.models.fields import PublicIdField
from subscriptions.models.merchants import Merchant

if TYPE_CHECKING:
    from datetime import datetime


class ApiKey(models.Model):
    """A key such as `ak_live_…`: shown once, stored as a hash, found by its prefix, compared in constant time."""

    class Scope(models.TextChoices):
        PUBLISH = "publish", "Publish events"
        READ = "read", "Read everything of the merchant"
        MANAGE = "manage", "Change webhooks, replay and discard"
        RECEIVE = "receive", "Fetch events from feeds"

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix=ids.API_KEY, unique=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=20, unique=True, editable=False, help_text="The key's first characters.")
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix}…"

    def is_usable(self, now: datetime | None = None) -> bool:
        """Tell whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > (now or timezone.now()))
