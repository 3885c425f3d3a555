"""Jobs: replays and discards of many deliveries, carried out bit by bit, with their progress."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from subscriptions.models import Merchant
from subscriptions.models.fields import PublicIdField


class Job(models.Model):
    """A bulk request, which walks the selected rows by key from `position` to `last` and can be taken up anywhere.

    `last` is the newest row when the request came: what fails again meanwhile is not selected a second time.
    """

    class Kind(models.TextChoices):
        REPLAY = "replay", "Replay"
        DISCARD = "discard", "Discard"

    class Source(models.TextChoices):
        LOG = "deliveries", "Deliveries of the log"
        QUEUE = "dead-letters", "Dead letters"

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    id = models.BigAutoField(primary_key=True)
    public_id = PublicIdField(prefix="job", unique=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind)
    source = models.CharField(max_length=12, choices=Source)
    selection = models.JSONField(default=dict, help_text="Filters as they were given.")
    note = models.TextField(blank=True, default="")
    by = models.CharField(max_length=150)
    rate = models.PositiveIntegerField(default=0, db_default=0, help_text="Rows a second; 0 is as fast as it goes.")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    total = models.PositiveIntegerField(default=0, help_text="Rows selected when the request came.")
    done = models.PositiveIntegerField(default=0, help_text="Rows changed so far.")
    position = models.BigIntegerField(default=0)
    last = models.BigIntegerField(default=0)
    found = models.JSONField(
        default=dict, db_default={}, help_text="Keys of the events that its search found when the request came."
    )
    turn = models.CharField(
        max_length=36,
        default="",
        db_default="",
        editable=False,
        help_text="The message that calls for its turn.",
    )
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    finished_at = models.DateTimeField(null=True)

    OPEN = (Status.QUEUED, Status.RUNNING)

    class Meta:
        ordering = ["-id"]
        verbose_name = "bulk job"
        indexes = [models.Index(fields=["merchant", "-id"], name="job_of_merchant")]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"
