"""Merchants (tenants) and the people who work for them."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from subscriptions import ids
from subscriptions.models.fields import PublicIdField


class Merchant(models.Model):
    """A shop of the platform: the tenant that everything else belongs to."""

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix=ids.MERCHANT, unique=True)
    name = models.CharField(max_length=200)
    email = models.EmailField(help_text="Where notices about failing webhooks go.")
    domain = models.CharField(max_length=253, blank=True, help_text="Sent as `shop` by the alva dialect.")
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="merchants")
    is_active = models.BooleanField(default=True)
    validate_events = models.BooleanField(
        "check events", default=False, help_text="Refuse events whose data doesn't fit the event type's JSON Schema."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role at a merchant."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner: members, keys, webhooks"
        DEVELOPER = "developer", "Developer: webhooks, logs, replays"
        VIEWER = "viewer", "Viewer: reads only"

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role, default=Role.DEVELOPER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "member"
        constraints = [models.UniqueConstraint(fields=["merchant", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} at {self.merchant} ({self.role})"
