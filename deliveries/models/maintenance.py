"""What upkeep remembers between its runs, and the trace of payloads that were taken out."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from subscriptions.models import Merchant


class MaintenanceTask(models.Model):
    """One recurring job's place. Its row is also its lock: who holds it works, others leave."""

    BEAT = "beat: "
    """Begins the names of rows that say when beat called what (`deliveries.maintenance.calls`)."""

    name = models.CharField(max_length=30, primary_key=True)
    position = models.BigIntegerField(default=0, help_text="The last key that was seen to.")
    gaps = models.JSONField(default=list, help_text="Ranges below it that were not there yet: from, to, seen at.")
    ran_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "upkeep"

    def __str__(self) -> str:
        return self.name


class ExpungedPayload(models.Model):
    """The trace of one event's payload that was taken out on request: whose, by whom, when. It holds no data."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    event_id = models.CharField(max_length=64, help_text="The event's public id; the event itself may be purged later.")
    event_type = models.CharField(max_length=100)
    by = models.CharField(max_length=150, help_text="A person or an API key.")
    note = models.TextField(blank=True, default="")
    attempts = models.PositiveIntegerField(default=0, help_text="Attempts whose request and answer went with it.")
    cancelled = models.PositiveIntegerField(default=0, help_text="Deliveries that were still to be sent.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["merchant", "event_id"], name="expunction_of_event")]

    def __str__(self) -> str:
        return f"expunction of {self.event_id}"
