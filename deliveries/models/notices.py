"""Notices: what a merchant is told about its webhooks, grouped, and who wants to be told by e-mail."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from subscriptions.models import Merchant, Webhook


class Notice(models.Model):
    """Something a merchant should know about one webhook: `count` occurrences of one kind between two moments.

    Open (`closed_at` empty) it gathers what happens; closed, it is being mailed or was. A new one of the same webhook
    and kind is not due before WEBHOOKS_NOTICE_INTERVAL has passed since the last was closed.
    """

    class Kind(models.TextChoices):
        DEAD = "dead", "Deliveries given up"
        FAILURE_RATE = "failure_rate", "Many attempts fail"
        DISABLED = "disabled", "Disabled by its endpoint"
        PAUSED = "paused", "Paused after lasting failure"
        FAILING = "failing", "Began to fail"
        RECOVERED = "recovered", "Works now"
        CERTIFICATE = "certificate", "Client certificate ends soon"

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="notices", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    count = models.PositiveIntegerField(default=1, help_text="How often it happened.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    reason = models.TextField(blank=True, help_text="Why, the last time, in a sentence.")
    due_at = models.DateTimeField(help_text="When it may be mailed.")
    closed_at = models.DateTimeField(null=True, help_text="When it was taken for mailing.")
    lease_until = models.DateTimeField(null=True, editable=False, help_text="Nobody else mails it before.")
    tries = models.PositiveIntegerField(db_default=0, help_text="Times that mailing it failed.")
    told = models.TextField(blank=True, db_default="", help_text="Addresses it was mailed to, a line each.")
    error = models.TextField(blank=True, db_default="", help_text="Why it could not be mailed.")
    sent_at = models.DateTimeField(null=True, help_text="When mailing ended.")

    class Meta:
        ordering = ["-id"]
        verbose_name = "notification"
        constraints = [
            models.UniqueConstraint(fields=["webhook", "kind"], condition=Q(closed_at=None), name="notice_once_open")
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(sent_at=None), name="notice_due"),
            models.Index(fields=["webhook", "kind", "-closed_at"], name="notice_last"),
            models.Index(fields=["merchant", "-id"], name="notice_of_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.webhook}"


class NoticePreference(models.Model):
    """Which kinds of notice one address wants by e-mail: a member's, or, without a user, the merchant's own.

    Without a row the merchant's address gets what NoticePreference() says, and members get nothing.
    """

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="notice_preferences")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notice_preferences",
        help_text="Empty: the merchant's own address.",
    )
    dead = models.BooleanField("deliveries given up", default=True)
    failure_rate = models.BooleanField("many attempts fail", default=True)
    disabled = models.BooleanField("disabled by its endpoint", default=True)
    paused = models.BooleanField("paused after lasting failure", default=True)
    failing = models.BooleanField("began to fail", default=False)
    recovered = models.BooleanField("works now", default=True)
    certificate = models.BooleanField("client certificate ends soon", default=True, db_default=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "recipient of notifications"
        verbose_name_plural = "who gets notifications"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "user"], name="notice_preference_once"),
            models.UniqueConstraint(
                fields=["merchant"], condition=Q(user=None), name="notice_preference_once_a_merchant"
            ),
        ]

    def __str__(self) -> str:
        return f"Notifications for {self.user or self.merchant}"

    def wants(self, kind: str) -> bool:
        """Tell whether this address wants notices of a kind by e-mail."""
        return bool(getattr(self, kind))


class Watch(models.Model):
    """What was last seen of a webhook's webhook, so that changes can be told, and how its automatic pause stands."""

    webhook = models.OneToOneField(Webhook, primary_key=True, on_delete=models.CASCADE, related_name="watch")
    failing_since = models.DateTimeField(null=True, help_text="Of the run of failures that was told.")
    failures = models.PositiveIntegerField(default=0, help_text="The longest the run was seen to be.")
    rate_is_high = models.BooleanField(default=False)
    disabled_at = models.DateTimeField(null=True, help_text="Of the disabling by its endpoint that was told.")
    paused_at = models.DateTimeField(null=True, help_text="Set while it is paused by us, not by a person.")
    spared_failures = models.PositiveIntegerField(default=0, help_text="Failures forgiven when somebody resumed it.")
    spared_at = models.DateTimeField(null=True, help_text="When somebody resumed it.")
    probe_at = models.DateTimeField(null=True, help_text="When a single delivery is tried next.")
    probe_wait = models.FloatField(default=0, help_text="Seconds between the last probe and the next.")
    probed_at = models.DateTimeField(null=True)
    probe_delivery = models.BigIntegerField(null=True, help_text="The delivery that was tried.")
    certificate_ends_at = models.DateTimeField(null=True, help_text="Of the client certificate whose end was told.")
    probe_tries = models.PositiveIntegerField(default=0, help_text="Its tries before: a probe costs none.")

    class Meta:
        verbose_name_plural = "watches"

    def __str__(self) -> str:
        return f"watch on {self.webhook_id}"
