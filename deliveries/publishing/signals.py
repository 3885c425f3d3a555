"""Django signals of this app, for code beside it that wants to hear what happens here."""

from __future__ import annotations

from dataclasses import dataclass

from django.dispatch import Signal


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that was stored just now; `data` is canonical JSON text."""

    pk: int
    public_id: str
    merchant_id: int
    type: str
    data: str
    resource_id: str


events_published = Signal()
"""Announces stored events once their transaction has committed, with `events: list[StoredEvent]`.

Nothing in the engine listens. A receiver that raises is logged and changes nothing.
"""
