"""Claims that ran out: the log says what may have happened, and a payload that kills workers comes to an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import F, QuerySet

from deliveries import burial, counters
from deliveries.burial import Death
from deliveries.claim_sql import Row
from deliveries.counters import Count
from deliveries.models import Attempt, Delivery
from deliveries.targets import Target

DETAIL = (
    "The worker that was sending this died or lost the database before the answer was recorded; "
    "the request may have reached the endpoint. It is sent again under the same message id."
)
OVERTAKEN = (
    "It was being sent again when the success of an earlier attempt, delayed by an outage, was recorded; "
    "the request may have reached the endpoint."
)
ABANDONED = (
    "The worker that was sending this died or lost the database before the answer was recorded; "
    "the request may have reached the endpoint. It is not sent again."
)
LAST = "Its worker died {times} times in a row while sending it; it waits for review."


def log(rows: Sequence[Row], targets: Mapping[int, Target], too_old: Mapping[int, str]) -> set[int]:
    """Log an interrupted attempt for each claim that ran out; return the ids of deliveries that went to review.

    Runs inside the claim's transaction. An interruption costs none of the policy's attempts, but
    WEBHOOKS_INTERRUPTIONS_MAX in a row end in review. `too_old`: delivery id → why it isn't sent again.
    """
    worn_out = [row for row in rows if row.interruptions >= settings.WEBHOOKS_INTERRUPTIONS_MAX]
    last = LAST.format(times=settings.WEBHOOKS_INTERRUPTIONS_MAX)
    ends = {row.delivery_id for row in worn_out}
    decisions = {**too_old, **dict.fromkeys(ends, last)}
    Attempt.objects.bulk_create(
        Attempt(
            delivery_id=row.delivery_id,
            webhook_id=row.webhook_id,
            number=row.attempt_count,
            result=Attempt.Result.INTERRUPTED,
            started_at=row.was_claimed or row.was_due,
            error="interrupted",
            detail=DETAIL,
            decision=decisions.get(row.delivery_id, "It is sent again now."),
            url=targets[row.webhook_id].url,
        )
        for row in rows
    )
    counters.add(Count(targets[row.webhook_id].merchant_id, row.webhook_id, row.now, "interrupted") for row in rows)
    if worn_out:
        burial.bury([Death(row.delivery_id, last, "interrupted", None) for row in worn_out])
    return ends


def log_overtaken(delivery_ids: Sequence[int]) -> None:
    """Log the attempt under way for deliveries that a late success has just closed, and end its claim.

    Its worker finds the delivery closed, and logs the outcome if it lives to have one; if it dies, nobody would claim
    the row again to notice. Inside the recorder's transaction.
    """
    rows = Delivery.objects.filter(pk__in=delivery_ids)
    _log_unanswered(rows, OVERTAKEN, "It is delivered: an earlier attempt's success was recorded late.")


def log_abandoned(delivery_ids: Sequence[int], decision: str) -> None:
    """Log the attempt under way for those of the deliveries that are still in state `sending`, and end its claim.

    For whoever has locked them and closes them next, their claims having run out: nobody would claim them again to
    notice that they may have been sent. `decision`: why they are closed, as a sentence.
    """
    _log_unanswered(Delivery.objects.filter(pk__in=delivery_ids, status=Delivery.Status.SENDING), ABANDONED, decision)


def _log_unanswered(deliveries: QuerySet[Delivery], detail: str, decision: str) -> None:
    rows = list(deliveries.select_related("webhook").order_by("pk"))
    Attempt.objects.bulk_create(
        Attempt(
            delivery=row,
            webhook=row.webhook,
            number=row.attempt_count + 1,
            result=Attempt.Result.INTERRUPTED,
            started_at=row.claimed_at or row.created_at,
            error="interrupted",
            detail=detail,
            decision=decision,
            url=row.webhook.url,
        )
        for row in rows
    )
    ended = Delivery.objects.filter(pk__in=[row.pk for row in rows])
    ended.update(claim=None, attempt_count=F("attempt_count") + 1)
