"""What a batch of the purge does: one statement for what is many, the ORM for the rest.

Each takes the keys of a batch's rows that are old and the moment before which they are, inside the caller's
transaction, and returns how many rows it removed or emptied. The statements lock closed deliveries only and pass over
what somebody else has locked, so claims and replays are never held up, and nobody replays what is going.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q

from deliveries.db.arrays import literal
from deliveries.db.statements import load
from deliveries.maintenance import parts
from deliveries.models.debounce import LastSent
from deliveries.reasons import ReasonCode
from deliveries.transport import ErrorClass
from subscriptions.models import IdempotencyKey

_SQL = load(__file__, "purging.sql")

_GONE: Final = "is no longer known, since the payload is gone"
_REASONS: Final = {
    ReasonCode.FILTERED: {"result": "not true"},
    ReasonCode.FILTER_NOT_EVALUATED: {"why": f"why {_GONE}"},
}
"""What stands in a reason in place of words that may be the payload's: what a filter gave, or what stopped it."""
_DETAILS: Final = [
    {"error": error, "beginning": beginning, "instead": f"{instead}. Why {_GONE}."}
    for error, beginning, instead in (
        (ErrorClass.TRANSFORMATION_FAILED, "", "The transformation gave no message"),
        (ErrorClass.INTERNAL, "The request could not be made: ", "The request could not be made"),
        (ErrorClass.INTERNAL, "The message could not be made: ", "The message could not be made"),
    )
]
"""What stands in an attempt in place of a detail that may quote the payload."""
_WORDS: Final = {"reasons": json.dumps(_REASONS), "details": json.dumps(_DETAILS)}

Purge = Callable[[list[int], datetime], int]


def by_statement(name: str) -> Purge:
    """Return what runs a statement of purging.sql."""
    statement = _SQL[name]

    def run(keys: list[int], before: datetime) -> int:
        by_part = "by_part" in statement and parts.take_all()
        with connection.cursor() as cursor:
            cursor.execute(statement, {"keys": literal(keys), "before": before, "by_part": by_part, **_WORDS})
            return cursor.rowcount

    return run


def deleting(model: Any, finished: Q | None = None) -> Purge:
    """Return what deletes rows of a model, or those that are `finished`."""

    def delete(keys: list[int], _before: datetime) -> int:
        return model.objects.filter(finished or Q(), pk__in=keys).delete()[0]

    return delete


def delete_idempotency_keys(keys: list[int], before: datetime) -> int:
    """Delete by age once more: a key used again after a day is the same row, young again."""
    return IdempotencyKey.objects.filter(pk__in=keys, created_at__lt=before).delete()[0]


def delete_last_sent(keys: list[int], before: datetime) -> int:
    """Forget what was sent long ago, passing over what a publisher holds; equal to it, an event is sent once more."""
    rows = LastSent.objects.filter(pk__in=keys, updated_at__lt=before).select_for_update(skip_locked=True)
    return LastSent.objects.filter(pk__in=list(rows.order_by("pk").values_list("pk", flat=True))).delete()[0]
