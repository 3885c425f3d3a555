"""Attempts: one HTTP request each, and what became of it."""

from __future__ import annotations

from django.db import models

from deliveries import sentences
from deliveries.models import logged_headers
from deliveries.models.codes import CodeField
from deliveries.models.deliveries import Delivery
from deliveries.reasons import CODE_MAX
from subscriptions import ids
from subscriptions.models import Webhook

DECISION_COLUMNS = ("status_code", "error", "answered_at", "next_at", "decision_code", "decision_values")
"""What `Attempt.decision` reads, for queries that leave the other columns where they are."""


class Attempt(models.Model):
    """A line of the log. Times are the database's clock; durations are milliseconds."""

    class Result(models.TextChoices):
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted, may have been sent"

    id = models.BigAutoField(primary_key=True)
    public_id = CodeField(ids.ATTEMPT)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_constraint=False)
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    number = models.PositiveIntegerField()
    result = models.CharField(max_length=12, choices=Result)
    started_at = models.DateTimeField(help_text="When the request was sent.")
    answered_at = models.DateTimeField(null=True, help_text="When the answer was complete, or given up.")
    lateness_ms = models.FloatField(null=True, help_text="From the time it was due until it was sent.")
    status_code = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=30, blank=True, default="")
    detail = models.TextField(
        blank=True,
        default="",
        help_text="What happened, in the transport's words; empty for interrupted ones and plain successes.",
    )
    decision_code = models.CharField(
        max_length=CODE_MAX, blank=True, default="", help_text="What follows from it: why it is retried, or ends."
    )
    decision_values = models.JSONField(
        null=True, editable=False, help_text="What the decision's sentence needs besides."
    )
    next_at = models.DateTimeField(null=True, help_text="When the next attempt is due.")
    url = models.TextField()
    request_headers = models.TextField(
        default="[]", help_text="JSON pairs; signatures stand as sent, secrets are masked."
    )
    request_size = models.PositiveIntegerField(default=0)
    request_digest = models.CharField(
        max_length=64, blank=True, default="", help_text="SHA-256 of the body as sent, in hex: of older rows."
    )
    request_sha256 = models.BinaryField(null=True, help_text="SHA-256 of the body as sent: 32 bytes.")
    response_headers = models.TextField(default="[]", help_text="JSON pairs, truncated on the way in.")
    response_body = models.BinaryField(default=b"", help_text="The first 4 KiB, any bytes.")
    response_size = models.PositiveIntegerField(default=0, help_text="Bytes read.")
    response_truncated = models.BooleanField(default=False)
    dns_ms = models.FloatField(null=True)
    connect_ms = models.FloatField(null=True)
    tls_ms = models.FloatField(null=True)
    first_byte_ms = models.FloatField(null=True)
    total_ms = models.FloatField(null=True)
    remote_address = models.CharField(max_length=64, blank=True, default="")
    reused_connection = models.BooleanField(default=False)
    worker = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["-webhook", "id"], name="attempt_log_of_webhook")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.delivery_id}"

    @property
    def decision(self) -> str:
        """What follows from it and why, in a sentence."""
        waits = None if self.next_at is None or self.answered_at is None else self.next_at - self.answered_at
        return sentences.sentence(
            self.decision_code,
            self.decision_values,
            status_code=self.status_code,
            error=self.error,
            delay=None if waits is None else waits.total_seconds(),
        )

    @property
    def sent_headers(self) -> list[tuple[str, str]]:
        """The request's headers, names and values. Reads the delivery and its event, unless they are there."""
        event = self.delivery.event
        known = logged_headers.known(
            event_id=event.public_id, event=event.type, occurred_at=event.occurred_at, started_at=self.started_at
        )
        return logged_headers.unpack(self.request_headers, known)

    @property
    def digest(self) -> str:
        """SHA-256 of the body as sent, in hex; empty where none was."""
        return self.request_digest if self.request_sha256 is None else bytes(self.request_sha256).hex()

    @property
    def answer_headers(self) -> list[tuple[str, str]]:
        """The answer's headers."""
        known = logged_headers.known_of_answer(self.answered_at) if self.answered_at else {}
        return logged_headers.unpack(self.response_headers, known)

    @property
    def what_happened(self) -> str:
        """What happened, in a sentence."""
        if self.result == self.Result.INTERRUPTED:
            return sentences.orphaned(self.decision_code)
        if self.result == self.Result.DELIVERED and not self.detail and self.status_code is not None:
            return sentences.answered(self.status_code)  # which the log doesn't repeat
        return self.detail
