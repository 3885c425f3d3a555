"""What happens: every event of the documents is published; then the broken receivers are fixed, and theirs replayed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from deliveries.management.demo.cast import Cast
from deliveries.models import DeadLetter, Delivery
from deliveries.publishing import publish
from deliveries.publishing.service import JsonText
from deliveries.review import manual_actions
from subscriptions import event_types

PATIENCE = 60.0
"""Seconds until what should come is taken for lost; on an idle machine all is done in ten."""
TICK = 0.2


@dataclass
class Told:
    """What was published: message id → event name."""

    events: dict[str, str] = field(default_factory=dict)
    dead: int = 0
    replayed: int = 0


def publish_examples(cast: Cast) -> Told:
    """Publish the catalogue's examples, an event each."""
    told = Told()
    for entry in event_types.load():
        with transaction.atomic():
            event = publish(entry.name, JsonText(entry.example), merchant=cast.merchant)
        told.events[event.public_id] = event.type
    return told


def wait_until_settled(told: Told, tick: Callable[[], None]) -> bool:
    """Wait until no delivery of the story is open; False when patience runs out. `tick` redraws, every TICK seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        tick()
        if not deliveries_of(told).filter(due_at__isnull=False).exists():
            tick()
            return True
        time.sleep(TICK)
    return False


def deliveries_of(told: Told) -> QuerySet[Delivery]:
    """Return the story's deliveries."""
    return Delivery.objects.filter(event__public_id__in=list(told.events))


def dead_letters_of(cast: Cast) -> QuerySet[DeadLetter]:
    """Return the dead letters of this cast that wait for review."""
    return DeadLetter.objects.filter(webhook__in=cast.webhooks, resolved_at=None)


def mend_and_replay(cast: Cast, told: Told) -> None:
    """Fix the receivers that never recover, and replay what waits in review."""
    told.dead = dead_letters_of(cast).count()
    repair(cast)
    told.replayed = manual_actions.replay_all(dead_letters_of(cast), by="demo", note="The receiver is fixed.")


def repair(cast: Cast) -> None:
    """Fix the receivers that never recover."""
    for player in cast.players:
        if player.role.is_given_up:
            player.receiver.repair()
