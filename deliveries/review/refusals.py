"""Why a decision is refused: the delivery's state doesn't allow it, or somebody else decided first."""

from __future__ import annotations

from deliveries.models import Delivery
from deliveries.models.events import EXPUNGED
from deliveries.queueing import ordering


class StateConflict(Exception):
    """The delivery is in a state that doesn't allow this now; the message says which and what to do."""


def check_sendable(delivery: Delivery) -> None:
    """Raise StateConflict where nothing can be sent any more, or not now.

    Its webhook is deleted or disabled, or the payload was expunged.
    """
    webhook = delivery.webhook
    if webhook.deleted_at is not None:
        raise StateConflict("The webhook was deleted, so nothing can be sent to it any more.")
    if not webhook.is_enabled:
        raise StateConflict("The webhook is disabled; enable it first.")
    if delivery.event.data == EXPUNGED:
        raise StateConflict("The event's payload was expunged, so it can't be sent again.")


def conflict(delivery: Delivery, wanted: str) -> StateConflict:
    """Return the refusal of a decision (`wanted`, in the past tense), by the delivery's state now."""
    status = Delivery.Status(reread(delivery).status)
    if delivery.is_held and wanted == "replayed":
        raise _held(delivery)
    return StateConflict(
        f"The delivery is {status.label.lower()} now, so it can't be {wanted}; look at it again in a moment."
    )


def _held(delivery: Delivery) -> StateConflict:
    waits = ordering.why_held(delivery, ordering.ahead_of(delivery))
    return StateConflict(f"{waits} The webhook asked for its deliveries in order: see to that one, or cancel this.")


def reread(delivery: Delivery) -> Delivery:
    """Bring the delivery up to date in place, and return it."""
    delivery.refresh_from_db()
    return delivery
