"""The end of a chain of attempts: the delivery is dead and a dead letter waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from deliveries.database import is_postgres

_INSERT = """
    INSERT INTO deliveries_deadletter
        (delivery_id, merchant_id, webhook_id, reason, error, status_code, created_at, resolution, resolved_by, note)
    SELECT d.id, d.merchant_id, d.webhook_id, d.reason, d.last_error, d.last_status_code, now(), '', '', ''
    FROM deliveries_delivery d WHERE d.id {among} AND d.status = 'dead'
    ON CONFLICT (delivery_id) WHERE resolved_at IS NULL DO NOTHING
"""


class Death(NamedTuple):
    """A delivery that is given up, with the reason as a sentence."""

    delivery_id: int
    reason: str
    error: str
    status_code: int | None


def bury(deaths: Sequence[Death]) -> None:
    """Close deliveries as dead and open a dead letter for each; inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE deliveries_delivery SET status = 'dead', due_at = NULL, claim = NULL, closed_at = now(), "
            "reason = %s, last_error = %s, last_status_code = %s WHERE id = %s",
            [(death.reason, death.error, death.status_code, death.delivery_id) for death in deaths],
        )
    open_dead_letters([death.delivery_id for death in deaths])


def open_dead_letters(delivery_ids: Sequence[int]) -> None:
    """Open a dead letter for each of these deliveries that is dead and has none open, from what the row says."""
    if not delivery_ids:
        return
    with connection.cursor() as cursor:
        if is_postgres():
            cursor.execute(_INSERT.format(among="= ANY(%s)"), [list(delivery_ids)])
        else:
            marks = ", ".join(["%s"] * len(delivery_ids))
            cursor.execute(_INSERT.format(among=f"IN ({marks})"), list(delivery_ids))
