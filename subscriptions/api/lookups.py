"""Finds the row that an address names."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound

from subscriptions.ids import CALLER_ID

M = TypeVar("M", bound=Model)


def one(rows: QuerySet[M], public_id: str, **named: str) -> M:
    """Return the row of this public id. Raises NotFound (404) for none, which covers other merchants' rows."""
    row = rows.filter(**(named or {"public_id": public_id})).first() if CALLER_ID.fullmatch(public_id) else None
    if row is None:
        raise NotFound(f"There is no {rows.model._meta.verbose_name} {public_id[:64]!r} here.")
    return row
