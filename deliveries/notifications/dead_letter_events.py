"""A `delivery.dead` for each new dead letter whose merchant subscribes to it, in transactions of bounded size.

They have a place of their own among the dead letters: however many deliveries they make, no notice waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction

from deliveries.maintenance.turns import turn
from deliveries.models import DeadLetter, MaintenanceTask
from deliveries.notifications import new_dead_letters, operational_events

PLACE = "delivery.dead"
FAN_OUT = 20_000
"""Deliveries that the events of one transaction make, about."""
EVENTS_MAX = 1000
"""Events a transaction."""
PATIENCE = 2.0
"""Seconds after which a look leaves the rest to the next one."""
_EVENT: Final = "delivery.dead"


def begin_at(place: MaintenanceTask) -> None:
    """Begin where notices are, the first time: what is older was published before."""
    MaintenanceTask.objects.bulk_create(
        [MaintenanceTask(name=PLACE, position=place.position, gaps=place.gaps)], ignore_conflicts=True
    )


def publish_new() -> int:
    """Publish what is new, for PATIENCE; return how many events. Does nothing while another process is at it."""
    until, published, is_more = time.monotonic() + PATIENCE, 0, True
    while is_more and time.monotonic() < until:
        count, is_more = _publish_some()
        published += count
    return published


def _publish_some() -> tuple[int, bool]:
    with transaction.atomic():
        place = turn(PLACE)
        if place is None:
            return 0, False
        found = new_dead_letters.new(place)
        webhooks = operational_events.subscribers({row.merchant_id for row in found}, _EVENT)
        taken = found[: _bounded(found, webhooks)]
        keys = [row.pk for row in taken if row.merchant_id in webhooks]
        rows = DeadLetter.objects.filter(pk__in=keys).select_related("webhook", "delivery__event").order_by("pk")
        news = operational_events.about_dead_letters(rows.defer("delivery__event__data"))
        count = operational_events.publish(news)
        new_dead_letters.advance(place, taken)
        place.save()
    return count, len(taken) < len(found) or len(found) == new_dead_letters.BATCH


def _bounded(found: Sequence[new_dead_letters.Row], webhooks: Mapping[int, int]) -> int:
    """Return how many from the beginning fit into one transaction, one at least."""
    events = deliveries = 0
    for index, row in enumerate(found):
        if count := webhooks.get(row.merchant_id, 0):
            events += 1
            deliveries += count
            if events > 1 and (deliveries > FAN_OUT or events > EVENTS_MAX):
                return index
    return len(found)
