"""What a webhook that chose fields was last sent."""

from __future__ import annotations

from collections.abc import Collection

from django.db import models
from django.db.models.functions import Now

from subscriptions.models import Webhook


class LastSentManager(models.Manager["LastSent"]):
    """What is kept, and forgetting it."""

    def forget(self, webhook_ids: Collection[int], *, wait: bool = True) -> None:
        """Forget what was last sent to these webhooks: something that counted as sent was given up.

        Without `wait`, what a publisher's open transaction is just comparing stays: a claim must not stand behind it.
        """
        known = self.filter(webhook_id__in=webhook_ids)
        if not wait:
            free = known.select_for_update(skip_locked=True).order_by("pk")
            known = self.filter(pk__in=list(free.values_list("pk", flat=True)))
        known.delete()


class LastSent(models.Model):
    """The digest of the chosen fields that went to a webhook last, for an event type and a resource."""

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="+", db_index=False)
    event_type = models.CharField(max_length=100)
    resource_id = models.CharField(max_length=200, blank=True, db_default="")
    digest = models.CharField(max_length=64)
    updated_at = models.DateTimeField(db_default=Now())

    objects = LastSentManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event_type", "resource_id"], name="last_sent_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.webhook_id}"
