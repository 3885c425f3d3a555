"""The end of a chain of attempts: the delivery is dead, and a dead letter waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deliveries import reasons
from deliveries.db.arrays import columns, literal
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.reasons import Reason

_SQL = load(__file__, "dead_letters.sql")
_COLUMNS = ("delivery_id", "reason_code", "reason_values", "error", "status_code")


class DeadDelivery(NamedTuple):
    """A delivery that is given up, and why."""

    delivery_id: int
    reason: Reason
    error: str
    status_code: int | None


def give_up(deliveries: Sequence[DeadDelivery]) -> None:
    """Close deliveries as dead and open a dead letter for each; two statements of the caller's transaction."""
    rows = [(each.delivery_id, *reasons.columns(each.reason), each.error, each.status_code) for each in deliveries]
    fetch(_SQL["mark_dead"], columns(_COLUMNS, rows))
    open_dead_letters([each.delivery_id for each in deliveries])


def open_dead_letters(delivery_ids: Sequence[int]) -> None:
    """Open a dead letter for each of these deliveries that is dead and has none open, from what the row says."""
    if delivery_ids:
        fetch(_SQL["open_dead_letters"], {"delivery_ids": literal(delivery_ids)})
