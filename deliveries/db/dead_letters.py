"""The end of a chain of attempts: the delivery is dead, and a dead letter waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deliveries.db.arrays import columns, literal
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load

_SQL = load(__file__, "dead_letters.sql")


class DeadDelivery(NamedTuple):
    """A delivery that is given up, with the reason."""

    delivery_id: int
    reason: str
    error: str
    status_code: int | None


def give_up(deliveries: Sequence[DeadDelivery]) -> None:
    """Close deliveries as dead and open a dead letter for each; two statements of the caller's transaction."""
    fetch(_SQL["mark_dead"], columns(DeadDelivery._fields, deliveries))
    open_dead_letters([each.delivery_id for each in deliveries])


def open_dead_letters(delivery_ids: Sequence[int]) -> None:
    """Open a dead letter for each of these deliveries that is dead and has none open, from what the row says."""
    if delivery_ids:
        fetch(_SQL["open_dead_letters"], {"delivery_ids": literal(delivery_ids)})
