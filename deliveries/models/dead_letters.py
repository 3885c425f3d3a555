"""Dead letters: deliveries that ran out of attempts, waiting for a person."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries import sentences
from deliveries.models.deliveries import Delivery
from deliveries.models.jobs import Job
from deliveries.reasons import CODE_MAX
from subscriptions.models import Merchant, Webhook


class DeadLetter(models.Model):
    """The record of a review: why the delivery died, what was decided, by whom. Addressed by the delivery's id."""

    class Resolution(models.TextChoices):
        REPLAYED = "replayed", "Replayed"
        DISCARDED = "discarded", "Discarded"

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="dead_letters")
    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    reason_code = models.CharField(max_length=CODE_MAX, help_text="Why it was given up.")
    reason_values = models.JSONField(null=True, editable=False, help_text="What the reason's sentence needs besides.")
    error = models.CharField(max_length=30, blank=True, default="")
    status_code = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    resolution = models.CharField(max_length=10, choices=Resolution, blank=True, db_default="")
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(
        max_length=150, blank=True, db_default="", help_text="Who decided: a person or an API key."
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="dead_letters"
    )
    note = models.TextField(blank=True, db_default="")
    # Which bulk request decided it; the job may be gone, and no statement of the engine checks for it.
    job = models.ForeignKey(
        Job,
        null=True,
        editable=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "review queue"
        constraints = [
            models.UniqueConstraint(fields=["delivery"], condition=Q(resolved_at=None), name="dead_letter_once_open")
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], condition=Q(resolved_at=None), name="dead_letter_open"),
            models.Index(fields=["webhook", "id"], condition=Q(resolved_at=None), name="dead_letter_open_of_webhook"),
            # Counts the queue's groups without a look at the rows.
            models.Index(
                fields=["merchant", "webhook", "error", "status_code"],
                include=["created_at"],
                condition=Q(resolved_at=None),
                name="dead_letter_open_groups",
            ),
            # What came of a job's replays, on its page.
            models.Index(fields=["job", "id"], condition=Q(job__isnull=False), name="dead_letter_of_job"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery.event_type} to {self.webhook}"

    @property
    def reason(self) -> str:
        """Why it was given up, in a sentence."""
        return sentences.sentence(self.reason_code, self.reason_values, status_code=self.status_code, error=self.error)
