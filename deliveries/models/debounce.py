"""What a webhook that chose fields was last sent."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from subscriptions.models import Webhook


class LastSent(models.Model):
    """The digest of the chosen fields that went to a webhook last, for an event type and a resource."""

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="+", db_index=False)
    event_type = models.CharField(max_length=100)
    resource_id = models.CharField(max_length=200, blank=True, db_default="")
    digest = models.CharField(max_length=64)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event_type", "resource_id"], name="last_sent_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.webhook_id}"
