"""What the engine remembers of a webhook, and the counters it leaves behind."""

from __future__ import annotations

from django.db import models

from subscriptions.models import Merchant, Webhook


class WebhookState(models.Model):
    """The engine's state of one webhook's deliveries. A webhook without a row is new: window 1, nothing blocked."""

    webhook = models.OneToOneField(Webhook, primary_key=True, on_delete=models.CASCADE, related_name="state")
    window = models.PositiveIntegerField(
        db_default=1, help_text="Open requests allowed now: one at first, doubling with each answer."
    )
    blocked_until = models.DateTimeField(null=True, help_text="Nothing is sent before (rate limit).")
    failures = models.PositiveIntegerField(db_default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    feed_position = models.BigIntegerField(db_default=0, help_text="The last place that its feed gave.")
    feed_acknowledged = models.BigIntegerField(db_default=0, help_text="Up to which place it was acknowledged.")
    feed_asked_at = models.DateTimeField(null=True, help_text="When its feed was asked last.")

    def __str__(self) -> str:
        return f"state of webhook {self.webhook_id}"


class Cell(models.Model):
    """Attempts of a webhook in a stretch of time, by result and response time: what charts read instead of the log."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    bucket = models.DateTimeField(help_text="Start of the stretch, UTC.")
    result = models.CharField(max_length=12, help_text="delivered, failed, dead, interrupted, skipped, lateness.")
    band = models.PositiveSmallIntegerField(help_text="Upper bound of the response time, index into stats.BANDS.")
    count = models.PositiveIntegerField(default=0)
    total_ms = models.FloatField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.webhook_id} {self.bucket:%F %R} {self.result}: {self.count}"


class Counter(Cell):
    """Five minutes: what the last hours are read from."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "bucket", "result", "band"], name="counter_cell"),
        ]
        indexes = [
            models.Index(fields=["merchant", "bucket"], name="counter_of_merchant"),
            models.Index(fields=["bucket"], name="counter_of_all"),  # staff's charts and the metrics
        ]


class HourCounter(Cell):
    """The same attempts by the hour, written with the five minutes: what longer windows are read from."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "bucket", "result", "band"], name="hour_counter_cell"),
        ]
        indexes = [
            models.Index(fields=["merchant", "bucket"], name="hour_counter_of_merchant"),
            models.Index(fields=["bucket"], name="hour_counter_of_all"),  # staff's charts and the metrics
        ]
