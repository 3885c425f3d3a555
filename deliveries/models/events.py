"""Events: what happened, once, immutable."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from subscriptions import ids
from subscriptions.models import Merchant
from subscriptions.models.fields import PublicIdField

EXPUNGED = "null"
"""The data of an event whose payload was taken out on request: an object otherwise, so this says it without doubt."""


class Event(models.Model):
    """Something that happened at a merchant. `public_id` is the message id that receivers see on every attempt."""

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix=ids.EVENT, max_length=64)
    # Here and in deliveries and attempts no constraint: the check of each would be a statement an event.
    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    type = models.CharField(max_length=100)
    data = models.TextField(help_text="Canonical JSON text, stored once and spliced into every body as it is.")
    size = models.PositiveIntegerField(help_text="Bytes of `data` in UTF-8.")
    resource_id = models.CharField(max_length=200, blank=True, db_default="")
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["merchant", "public_id"], name="event_once_a_merchant")]
        indexes = [
            models.Index(fields=["-merchant", "id"], name="event_log_of_merchant"),
            models.Index(fields=["merchant", "resource_id"], condition=~Q(resource_id=""), name="event_of_resource"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"
