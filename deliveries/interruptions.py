"""Claims that ran out: the log says what may have happened, and a payload that kills workers comes to an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings

from deliveries import burial, counters
from deliveries.burial import Death
from deliveries.claim_sql import Row
from deliveries.counters import Count
from deliveries.models import Attempt
from deliveries.targets import Target

DETAIL = (
    "The worker that was sending this died or lost the database before the answer was recorded; "
    "the request may have reached the endpoint. It is sent again under the same message id."
)
LAST = "Its worker died {times} times in a row while sending it; it waits for review."


def log(rows: Sequence[Row], targets: Mapping[int, Target]) -> set[int]:
    """Log an interrupted attempt for each claim that ran out; return the ids of deliveries that went to review.

    Runs inside the claim's transaction. An interruption costs none of the policy's attempts, but
    WEBHOOKS_INTERRUPTIONS_MAX in a row end in review.
    """
    worn_out = [row for row in rows if row.interruptions >= settings.WEBHOOKS_INTERRUPTIONS_MAX]
    last = LAST.format(times=settings.WEBHOOKS_INTERRUPTIONS_MAX)
    ends = {row.delivery_id for row in worn_out}
    Attempt.objects.bulk_create(
        Attempt(
            delivery_id=row.delivery_id,
            webhook_id=row.webhook_id,
            number=row.attempt_count,
            result=Attempt.Result.INTERRUPTED,
            started_at=row.was_claimed or row.was_due,
            error="interrupted",
            detail=DETAIL,
            decision=last if row.delivery_id in ends else "It is sent again now.",
            url=targets[row.webhook_id].url,
        )
        for row in rows
    )
    counters.add(Count(targets[row.webhook_id].merchant_id, row.webhook_id, row.now, "interrupted") for row in rows)
    if worn_out:
        burial.bury([Death(row.delivery_id, last, "interrupted", None) for row in worn_out])
    return ends
