"""The newest (or oldest) rows of several merchants or webhooks: each from its own end of an index, then merged.

Asked for `merchant_id IN (…) ORDER BY id DESC`, PostgreSQL may walk everybody's rows from the end until it has met
enough of these; for shops that have been quiet that is the whole log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

_MERGED = """
    SELECT found.* FROM unnest(%s::bigint[]) AS webhook (key) CROSS JOIN LATERAL ({webhook}) AS found
    ORDER BY 1 {direction} LIMIT {limit:d}
"""


class MergedRows(NamedTuple):
    """The column that an index begins with, the values of it that the rows have, and the order of keys behind it."""

    column: str
    keys: Sequence[int]
    newest_first: bool = True


def first(rows: QuerySet[Any], webhooks: MergedRows, *, descending: bool, limit: int) -> list[int]:
    """Return the primary keys of the first `limit` rows in the order of their keys. One query."""
    return [pk for (pk,) in _merged(rows, webhooks, descending=descending, part=slice(limit), limit=limit)]


def depth(rows: QuerySet[Any], webhooks: MergedRows, *, descending: bool, rows_max: int) -> int | None:
    """Return the key down to which at most `rows_max` rows lie, of all webhooks together; None if all do. One query.

    Each webhook is asked how far its share reaches; the nearest of these counts.
    """
    share = max(1, rows_max // max(1, len(webhooks.keys)))
    found = _merged(rows, webhooks, descending=descending, part=slice(share - 1, share), limit=1)
    return found[0][0] if found else None


def _merged(
    rows: QuerySet[Any], webhooks: MergedRows, *, descending: bool, part: slice, limit: int
) -> list[tuple[int]]:
    # As a range and with its column in the order: told to be one value, the planner may leave the webhook's index for
    # the primary key's, along which it expects to meet rows of the webhook soon (see
    # `subscriptions.admin.scoping.only`).
    key = RawSQL("webhook.key", ())
    webhook = rows.filter(**{f"{webhooks.column}__gte": key, f"{webhooks.column}__lte": key})
    lead = webhooks.column if descending is webhooks.newest_first else f"-{webhooks.column}"
    webhook = webhook.order_by(lead, "-pk" if descending else "pk").values("pk")[part]
    connection = connections[rows.db]
    try:
        sql, parameters = webhook.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:  # a condition that nothing meets, such as a search that found no event
        return []
    with connection.cursor() as cursor:
        # Django made the inner query; its values are parameters.
        cursor.execute(
            _MERGED.format(webhook=sql, direction="DESC" if descending else "ASC", limit=limit),
            [list(webhooks.keys), *parameters],
        )
        return cursor.fetchall()
