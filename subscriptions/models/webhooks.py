"""Webhooks, what they subscribe to, and the secrets they sign with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from subscriptions import ids, webhook_rules
from subscriptions.conf import settings
from subscriptions.models.fields import EncryptedTextField, PublicIdField
from subscriptions.models.merchants import Merchant

if TYPE_CHECKING:
    from datetime import datetime


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Queries that name a state."""

    def alive(self) -> WebhookQuerySet:
        """Leave out the deleted ones, which stay for the log's sake."""
        return self.filter(deleted_at=None)


class Webhook(models.Model):
    """Where a merchant's events go: an endpoint, a queue or a feed, in which dialect, under which policy.

    `url` is the address that is called; that of a queue is made from `destination`, which holds what may be shown of
    it, and a feed has none. `sign_in` is how an endpoint is asked who we are, as far as it may be shown. `credentials`
    are JSON, encrypted (`subscriptions.encryption`): never shown, read only by who sends.

    Empty settings (null) mean the dialect's own. `is_enabled=False` skips events; `paused_at` holds deliveries until
    resumed; `deleted_at` marks a row kept for the log.
    """

    class BodyStyle(models.TextChoices):
        COMPACT = "compact", "Compact, as JavaScript writes it"
        PYTHON = "python", "As Python's json.dumps writes it"

    class Ordering(models.TextChoices):
        NONE = "", "As fast as possible, in any order"
        RESOURCE = "resource", "In order for each resource"
        WEBHOOK = "webhook", "In order, one after the other"

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix=ids.WEBHOOK, unique=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=20, default=webhook_rules.HTTPS, db_default=webhook_rules.HTTPS)
    url = models.TextField()
    destination = models.JSONField(default=dict, db_default={}, blank=True)
    sign_in = models.JSONField(default=dict, db_default={}, blank=True)
    credentials = models.TextField(default="", db_default="", blank=True, editable=False)
    certificate_ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    dialect = models.CharField(max_length=20, default="standard")
    body_style = models.CharField(max_length=10, choices=BodyStyle, default=BodyStyle.COMPACT)
    api_version = models.CharField(
        max_length=20, default="2024-01", help_text="Sent as `api_version` by the alva dialect."
    )
    headers = models.JSONField(default=dict, blank=True, help_text="Custom headers; they can't override ours.")
    retry_policy = models.JSONField(null=True, blank=True, help_text="Empty: the dialect's own.")
    timeout = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.5), MaxValueValidator(30)],
        help_text="Seconds for the whole request; empty: the dialect's own.",
    )
    max_in_flight = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(500)],
        help_text="Open requests at a time; empty: the platform's default.",
    )
    rate_limit = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.01)], help_text="Requests a second; empty: no limit."
    )
    ordering = models.CharField(
        max_length=10,
        choices=Ordering,
        blank=True,
        default=Ordering.NONE,
        db_default=Ordering.NONE,
        help_text="What waits for what was published before it.",
    )
    expire_after = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(60)],
        help_text="Seconds after which a delivery isn't sent any more; empty: the platform's default.",
    )
    filter = models.TextField(blank=True, help_text="A JMESPath condition on the event; empty: everything.")
    fields = models.JSONField(default=list, blank=True, help_text="Only these fields of the data are sent; empty: all.")
    transform = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="A JMESPath expression whose result is the message; empty: none.",
    )
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["merchant", "-id"], name="webhook_of_merchant"),
            models.Index(  # the watcher's, for certificates that end soon
                fields=["certificate_ends_at"],
                condition=Q(certificate_ends_at__isnull=False),
                name="webhook_certificate_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.place

    @property
    def place(self) -> str:
        """Where its events go, in words: its URL, the bus, queue or topic, or its feed."""
        if self.kind == webhook_rules.HTTPS:
            return self.url
        return webhook_rules.rules().describe_destination(self.kind, self.destination)

    @property
    def in_flight_cap(self) -> int:
        """The most requests open at a time to this endpoint."""
        return self.max_in_flight or settings.WEBHOOKS_MAX_IN_FLIGHT


class Subscription(models.Model):
    """A webhook's interest in an event name or pattern. Ended ones stay: they answer "why wasn't this delivered?"."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="subscriptions")
    pattern = models.CharField(max_length=102)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["webhook", "pattern"], condition=Q(ended_at=None), name="subscription_once")
        ]
        indexes = [
            models.Index(fields=["merchant", "pattern"], condition=Q(ended_at=None), name="subscription_match"),
        ]

    def __str__(self) -> str:
        return self.pattern


class SigningSecret(models.Model):
    """A secret of a webhook. During a rotation two overlap: the old one until `expires_at`, the new from its creation.

    One-value headers are signed by the oldest unexpired secret, so the old one signs until the overlap ends or the
    merchant switches (which expires the old one at once); Standard Webhooks sends a signature for each.

    `public_key` is what a receiver verifies with where the secret is a private key; empty for a shared secret.
    """

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="secrets")
    value = EncryptedTextField()
    public_key = models.CharField(max_length=80, default="", db_default="", blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(
        null=True, editable=False, help_text="When the endpoint answered 2xx to a test that this secret alone signed."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gte=F("created_at")), name="secret_expires_after_creation"
            )
        ]

    def __str__(self) -> str:
        return f"Secret {self.pk} of {self.webhook}"

    def is_active(self, now: datetime | None = None) -> bool:
        """Tell whether the secret still signs."""
        return self.expires_at is None or self.expires_at > (now or timezone.now())
