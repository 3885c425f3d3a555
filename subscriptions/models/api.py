"""What the REST API remembers: answers to POSTs that may be repeated, and rates that differ from the platform's."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from subscriptions.models.fields import EncryptedTextField
from subscriptions.models.merchants import Merchant


class IdempotencyKey(models.Model):
    """A POST that was carried out under the caller's `Idempotency-Key`, with its answer.

    The row is written in the same transaction as what the request does: both stand or neither. `status` is empty only
    for requests that send something themselves, while they are under way.
    """

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    claim = models.CharField(max_length=32, help_text="Random; tells the request that made the row from its twins.")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of who asked for what.")
    status = models.PositiveSmallIntegerField(null=True)
    answer = EncryptedTextField(default="", help_text="JSON; encrypted, since answers may hold a new secret.")
    created_at = models.DateTimeField(db_default=Now(), db_index=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key


class ApiRates(models.Model):
    """Rate limits of one merchant's credentials; empty ones are the platform's, 0 means no limit."""

    merchant = models.OneToOneField(Merchant, primary_key=True, on_delete=models.CASCADE, related_name="api_rates")
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    publish_per_hour = models.PositiveIntegerField(null=True, blank=True, help_text="Requests that publish.")
    publish_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Requests that publish.")

    class Meta:
        verbose_name_plural = "API rates"

    def __str__(self) -> str:
        return f"API rates of {self.merchant_id}"
