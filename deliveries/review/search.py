"""Finding events by an id, a resource's id, or a piece of the payload such as an order number.

One search for the admin's boxes, the API's lists and bulk requests: ids are found in all events, text in the payloads
of the newest. Whoever asks is told how far back that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet

from deliveries.db import keys_by_time, merged_pages
from deliveries.db.merged_pages import MergedRows
from deliveries.models import Event
from deliveries.review import text_search
from subscriptions.filters import says_nothing
from subscriptions.models import Merchant

PAYLOADS_MAX: Final = 20_000
"""How many of the newest events' payloads a search reads; ids and resource ids are found in all."""
FOUND_MAX: Final = 500
"""The most events a search by text finds."""


@dataclass(frozen=True, slots=True)
class Found:
    """Primary keys of the events found.

    `reached`: the moment down to which events were looked at, where older ones were left out; None where all were.
    """

    keys: list[int]
    reached: datetime | None = None


def events(
    rows: QuerySet[Event], term: str, order: Sequence[str] = ("-pk",), webhooks: MergedRows | None = None
) -> Found:
    """Return the events among `rows` that the term names or that contain it.

    What contains means: `deliveries.review.text_search`. `order` is newest first, led by the column an index begins
    with; `webhooks` are the merchants, where they are several. Three queries, for several merchants a fourth
    where it stopped early.
    """
    if says_nothing(term):
        return Found([])
    named = rows.filter(public_id=term).order_by() | rows.filter(resource_id=term).exclude(resource_id="").order_by()
    keys = list(named.values_list("pk", flat=True)[:FOUND_MAX])
    newest = rows.order_by(*order)
    if webhooks is not None:
        floor = merged_pages.depth(rows, webhooks, descending=True, rows_max=PAYLOADS_MAX)
        read = newest if floor is None else newest.filter(pk__gte=floor)
        texts = merged_pages.first(
            read.filter(text_search.in_payload(term)), webhooks, descending=True, limit=FOUND_MAX
        )
        oldest = texts[-1] if len(texts) == FOUND_MAX else floor
        return Found(
            [*keys, *texts], None if oldest is None else rows.values_list("created_at", flat=True).get(pk=oldest)
        )
    left_out = newest.values_list("pk", "created_at")[PAYLOADS_MAX : PAYLOADS_MAX + 1].first()
    reached = _after(left_out)
    read = newest if left_out is None else newest.filter(pk__gt=left_out[0], created_at__gte=reached)
    found = list(read.filter(text_search.in_payload(term)).values_list("pk", "created_at")[: FOUND_MAX + 1])
    if len(found) > FOUND_MAX:
        reached, found = _cut(found)
    return Found([*keys, *(pk for pk, _created_at in found)], reached)


_Row = tuple[int, datetime]


def _after(row: _Row | None) -> datetime | None:
    """Return the first moment after a row, so that whoever goes on from there leaves out none of its time."""
    return None if row is None else row[1] + timedelta(microseconds=1)


def _cut(found: list[_Row]) -> tuple[datetime | None, list[_Row]]:
    """Return where to go on, and what is shown before that of one row too many, the newest first."""
    reached = found[-1][1] + timedelta(microseconds=1)
    shown = [row for row in found if row[1] >= reached]
    return (reached, shown) if shown else (found[-1][1], found[:-1])  # more at one moment than can be shown


def of_merchant(
    merchant: Merchant,
    term: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    newest: int | None = None,
) -> Found:
    """Return those of a merchant's events published from `since` on, before `until`, and not past the key `newest`."""
    rows = Event.objects.filter(merchant_id__gte=merchant.pk, merchant_id__lte=merchant.pk)
    if since is not None:
        rows = keys_by_time.since(rows, since)
    if until is not None:
        rows = keys_by_time.until(rows, until)
    if newest is not None:
        rows = rows.filter(pk__lte=newest)
    return events(rows, term, ("merchant_id", "-pk"))
