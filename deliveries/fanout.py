"""Fan-out: an event becomes one delivery for each webhook that listens to it, skipped ones with the reason."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from deliveries import counters, filters, lanes
from deliveries.counters import SKIPPED, Count
from deliveries.database import insert_rows
from deliveries.models import Delivery
from deliveries.signals import Batch, StoredEvent, events_published
from subscriptions import ids
from subscriptions.matching import Match, matching

_COLUMNS = {
    "public_id": "text",
    "merchant_id": "bigint",
    "webhook_id": "bigint",
    "event_id": "bigint",
    "event_type": "text",
    "status": "text",
    "reason": "text",
}
_COMPUTED = {
    # The database's clock, never this host's: claims compare with it.
    "due_at": f"CASE WHEN status = '{Delivery.Status.PENDING}' THEN now() END",
    "closed_at": f"CASE WHEN status <> '{Delivery.Status.PENDING}' THEN now() END",
    "created_at": "now()",
}


@receiver(events_published)
def fan_out(batch: Batch, **_kwargs: Any) -> None:
    """Store the deliveries of a batch of events in its transaction, and wake their lanes once it is committed."""
    found = matching(batch.merchant_id, {entry.name: entry for entry in batch.entries.values()}.values())
    rows = []
    woken: set[int] = set()
    for event in batch.events:
        for match in found.get(event.type, ()):
            reason = _reason_to_skip(match, event)
            rows.append(
                (
                    ids.new_id(ids.DELIVERY),
                    batch.merchant_id,
                    match.webhook_id,
                    event.pk,
                    event.type,
                    Delivery.Status.SKIPPED.value if reason else Delivery.Status.PENDING.value,
                    reason,
                )
            )
            if not reason:
                batch.deliveries[event.pk] = batch.deliveries.get(event.pk, 0) + 1
                woken.add(match.webhook_id)
    insert_rows("deliveries_delivery", _COLUMNS, rows, computed=_COMPUTED)
    counters.add(
        Count(batch.merchant_id, webhook_id, timezone.now(), SKIPPED)
        for _id, _merchant, webhook_id, _event, _type, _status, reason in rows
        if reason
    )
    if woken:
        webhook_ids = sorted(woken)
        transaction.on_commit(lambda: lanes.wake(webhook_ids), robust=True)


def _reason_to_skip(match: Match, event: StoredEvent) -> str:
    if not match.is_enabled:
        why = f": {match.disabled_reason}" if match.disabled_reason else ""
        return f"The webhook was disabled when the event was published{why}."
    if match.filter:
        return filters.accepts(match.filter, event.type, event.data)[1]
    return ""
