"""Deliveries: one event on its way to one webhook."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.postgres.indexes import BTreeIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from deliveries import sentences
from deliveries.models.codes import CodeField
from deliveries.models.events import Event
from deliveries.reasons import CODE_MAX
from subscriptions import ids
from subscriptions.models import Merchant, Webhook

_FAILED = ("retrying", "dead", "discarded")  # Delivery.FAILED, for the conditions of its indexes
_FAILED_ROWS = Q(status__in=_FAILED)
_UNSENT = ("skipped", "cancelled")  # Delivery.UNSENT, for the condition of its index
_UNSENT_ROWS = Q(status__in=_UNSENT)

HELD = datetime(9999, 1, 1, tzinfo=UTC)
"""When a delivery is due that waits in its ordering group behind another: never, until `ordering.advance` lets it go.

The `.sql` files write it as '9999-01-01 00:00:00+00'.
"""

IN_GROUP = Q(ordering_group__isnull=False) & (Q(due_at__isnull=False) | Q(status="dead"))
"""What stands in a line: waiting, being sent, or blocking it from the review queue."""

IN_FEED = Q(feed_position__isnull=False) & (Q(feed_position__gt=0) | Q(due_at__isnull=False))
"""What a feed gives, or gave. `feeds.sql` says the same."""


class Delivery(models.Model):
    """One event to one webhook, with where it stands.

    A delivery is open exactly while `due_at` is set: the time of its next attempt or, while it is being sent, of its
    claim's expiry. `claim` is the fence: an outcome that comes back under another token changes nothing but the log.

    Deliveries of one webhook with the same `ordering_group` stand in line, in the order of their ids (docs/adr/0012):
    one of them is active, the others are open but HELD.

    One with a `feed_position` is never sent: it is open until whoever fetched it acknowledges it (docs/adr/0029).
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        RETRYING = "retrying", "Retrying"
        DELIVERED = "delivered", "Delivered"
        DEAD = "dead", "In review"
        DISCARDED = "discarded", "Discarded"
        SKIPPED = "skipped", "Skipped"
        CANCELLED = "cancelled", "Cancelled"

    OPEN = (Status.PENDING, Status.SENDING, Status.RETRYING)
    """Still to be sent, or being sent."""
    FAILED = tuple(map(Status, _FAILED))
    """At least one attempt failed, and none delivered."""
    UNSENT = tuple(map(Status, _UNSENT))
    """Closed without being given up: the webhook was disabled, the filter said no, somebody cancelled it."""
    UNDELIVERED = (*OPEN, Status.DEAD, Status.DISCARDED, *UNSENT)
    """No 2xx has answered it, whatever the reason."""
    STATUS_GROUPS = {"failed": FAILED, "open": OPEN, "undelivered": UNDELIVERED}
    """Word that stands for several statuses wherever people select by status → those statuses."""

    id = models.BigAutoField(primary_key=True)
    public_id = CodeField(ids.DELIVERY)
    # The merchant follows from the webhook; it stands here for scoping and paging, without a check on each insert.
    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries", db_constraint=False)
    event_type = models.CharField(max_length=100)
    status = models.CharField(max_length=10, choices=Status, db_default=Status.PENDING)
    reason_code = models.CharField(
        max_length=CODE_MAX, blank=True, db_default="", help_text="Why it was skipped, cancelled, or put into review."
    )
    reason_values = models.JSONField(null=True, editable=False, help_text="What the reason's sentence needs besides.")
    ordering_group = models.CharField(
        max_length=200, null=True, editable=False, help_text="Its line: empty for the webhook's only one. Null: none."
    )
    due_at = models.DateTimeField(null=True, editable=False)
    claim_token = models.BigIntegerField(null=True, editable=False)
    claimed_at = models.DateTimeField(null=True, editable=False)
    attempt_count = models.PositiveIntegerField(
        db_default=0, help_text="Attempts in the log, interrupted ones included."
    )
    tries = models.PositiveIntegerField(
        db_default=0, help_text="Attempts of the current chain, as the policy counts them."
    )
    replays = models.PositiveIntegerField(db_default=0)
    orphaned_attempts = models.PositiveIntegerField(db_default=0, help_text="Claims in a row whose worker died.")
    last_status_code = models.PositiveIntegerField(null=True)
    last_error = models.CharField(max_length=30, blank=True, db_default="")
    last_attempt_at = models.DateTimeField(null=True)
    response_ms = models.FloatField(null=True, help_text="Of the last attempt, in milliseconds.")
    feed_position = models.BigIntegerField(
        null=True, editable=False, help_text="Its place in the webhook's feed; 0: not given yet. Null: it is sent."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "delivery log"
        indexes = [
            # Serves the claim, the sweep and "what is left": nothing here grows with the log.
            models.Index(fields=["webhook", "due_at", "id"], condition=Q(due_at__isnull=False), name="delivery_due"),
            models.Index(fields=["webhook"], condition=Q(status="sending"), name="delivery_in_flight"),
            # Lists read these from the end: newest first. Keys grow in them, so pages are left full, not split in half.
            # A row gets three entries, of which two soon go: to gather them would only cost (docs/performance.md).
            BTreeIndex(fields=["-webhook", "id"], name="delivery_log_of_webhook", deduplicate_items=False),
            BTreeIndex(fields=["-merchant", "id"], name="delivery_log_of_merchant", deduplicate_items=False),
            # "Failed only" in the log; what is delivered at once never enters these.
            models.Index(fields=["webhook", "-id"], condition=_FAILED_ROWS, name="delivery_failed_of_webhook"),
            models.Index(fields=["merchant", "-id"], condition=_FAILED_ROWS, name="delivery_failed_of_merchant"),
            # With those above and what is due: `undelivered`. Sending never writes to it.
            models.Index(fields=["merchant", "-id"], condition=_UNSENT_ROWS, name="delivery_unsent_of_merchant"),
            # The head of a line is its first entry here; deliveries without a line never enter.
            models.Index(fields=["webhook", "ordering_group", "id"], condition=IN_GROUP, name="delivery_in_group"),
            # Feeds: what was given by its place, before it what waits by its key. What is sent never enters.
            models.Index(fields=["webhook", "feed_position", "id"], condition=IN_FEED, name="delivery_in_feed"),
        ]
        constraints = [
            # Two deliveries of a line are never on their way at once: the database itself refuses it.
            models.UniqueConstraint(
                fields=["webhook", "ordering_group"],
                condition=Q(ordering_group__isnull=False, due_at__lt=HELD),
                name="delivery_one_of_a_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.public_id}"

    @property
    def reason(self) -> str:
        """Why it was skipped, cancelled, or put into review, in a sentence; empty for what is open or delivered."""
        return sentences.sentence(
            self.reason_code, self.reason_values, status_code=self.last_status_code, error=self.last_error
        )

    @property
    def is_open(self) -> bool:
        """Tell whether it waits for an attempt or is being sent."""
        return self.due_at is not None

    @property
    def is_held(self) -> bool:
        """Tell whether it waits in line behind another delivery."""
        return self.due_at is not None and self.due_at >= HELD
