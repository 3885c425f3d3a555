"""Django signals of this app, and what they carry."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.dispatch import Signal

from subscriptions.matching import KnownEvent


@dataclass(slots=True)
class StoredEvent:
    """An event that was stored just now, as fan-out needs it."""

    pk: int
    type: str
    data: str
    resource_id: str


@dataclass(slots=True)
class Batch:
    """What `events_published` carries. Fan-out fills `deliveries`: event key → deliveries made, skipped ones aside.

    `quiet` (see `testing.capture_events`): the deliveries are stored as always, but nobody is woken to send them.
    """

    merchant_id: int
    entries: dict[str, KnownEvent]
    events: list[StoredEvent]
    deliveries: dict[int, int] = field(default_factory=dict)
    quiet: bool = False


events_published = Signal()
"""Sent by `publish()` inside its transaction, with `batch: Batch`; fan-out listens. A receiver that raises rolls the
publishing back."""
