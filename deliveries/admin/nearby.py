"""From a time to a key without reading the log: public ids begin with the millisecond they were made in.

Ids of several hosts, or of one long transaction, don't sort exactly, so what comes out only prunes; the exact
condition on the time column stands beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from subscriptions import ids

SLACK = timedelta(minutes=10)
"""How far clocks of two hosts, or the start and end of one transaction, may lie apart."""
LOOKED_AT = 200
"""Rows around the moment that are looked at."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def first_id(prefix: str, moment: datetime) -> str:
    """Return the least public id of that millisecond."""
    number = max(0, int(moment.timestamp() * 1000))
    return prefix + "_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(45, -1, -5)) + "0" * 16


def since(rows: QuerySet[Any], prefix: str, moment: datetime) -> QuerySet[Any]:
    """Leave the rows created at `moment` (aware) or later. One more query, on the index of the public ids."""
    after = rows.model._default_manager.filter(public_id__gte=first_id(prefix, moment - SLACK))
    keys = list(after.order_by("public_id").values_list("pk", flat=True)[:LOOKED_AT])
    return rows.filter(pk__gte=min(keys), created_at__gte=moment) if keys else rows.none()


def until(rows: QuerySet[Any], prefix: str, moment: datetime) -> QuerySet[Any]:
    """Leave the rows created before `moment` (aware). One more query, on the index of the public ids."""
    before = rows.model._default_manager.filter(public_id__lt=first_id(prefix, moment + SLACK), public_id__gte=prefix)
    keys = list(before.order_by("-public_id").values_list("pk", flat=True)[:LOOKED_AT])
    return rows.filter(pk__lte=max(keys), created_at__lt=moment) if keys else rows.none()


DELIVERY = ids.DELIVERY
