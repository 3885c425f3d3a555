"""Finding what an address names, and reading the bodies that views share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, ValidationError

from subscriptions.ids import CALLER_ID

M = TypeVar("M", bound=Model)


def one(rows: QuerySet[M], public_id: str, **named: str) -> M:
    """Return the row of this public id. Raises NotFound (404) for none, which covers other merchants' rows."""
    row = rows.filter(**(named or {"public_id": public_id})).first() if CALLER_ID.fullmatch(public_id) else None
    if row is None:
        raise NotFound(f"There is no {rows.model._meta.verbose_name} {public_id[:64]!r} here.")
    return row


def members(body: Any, *, known: Collection[str], required: Collection[str] = ()) -> dict[str, Any]:
    """Return a body that must be an object with known members only. Raises ValidationError (422) naming the others."""
    if not isinstance(body, dict):
        raise ValidationError(["The body must be a JSON object."], "not_an_object")
    problems: dict[str, list[Any]] = {
        name[:60]: [f"There is no such field here. There are: {', '.join(sorted(known))}."]
        for name in body
        if name not in known
    }
    problems |= {name: ["This field is required."] for name in required if name not in body}
    if problems:
        raise ValidationError(problems)
    return body


def text(body: dict[str, Any], name: str, *, limit: int) -> str:
    """Return a member that is text of at most `limit` characters, empty when it is left out."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise ValidationError({name: ["This must be text."]})
    if len(value) > limit:
        raise ValidationError({name: [f"This has {len(value)} characters; at most {limit} are kept."]})
    return value


def flag(body: dict[str, Any], name: str) -> bool:
    """Return a member that is true or false, false when it is left out."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise ValidationError({name: ["This must be true or false."]})
    return value


def number(body: dict[str, Any], name: str, *, low: float, high: float) -> float | None:
    """Return a member that is a number between the bounds, None when it is left out or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValidationError({name: [f"This must be a number from {low:g} to {high:g}."]})
    return value
