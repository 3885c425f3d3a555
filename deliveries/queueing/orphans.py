"""Orphaned attempts: claims whose worker died. The log says so, and a payload that kills workers comes to an end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from deliveries import meters, reasons
from deliveries.db import counters, dead_letters, outages
from deliveries.db.arrays import literal
from deliveries.db.counters import Count
from deliveries.db.dead_letters import DeadDelivery
from deliveries.db.engine_session import fetch
from deliveries.db.statements import load
from deliveries.models import Attempt, Delivery
from deliveries.models.debounce import LastSent
from deliveries.queueing import expiry, ordering
from deliveries.reasons import Reason, ReasonCode
from subscriptions.conf import settings

_SQL = load(__file__, "orphans.sql")
CHUNK = 1000
"""Claims taken back at a time."""
AFTER_OUTAGE = 2.0
"""Seconds after the database failed us for which claims that ran out are left alone: their workers live, waited it out
as we did, and write the outcomes they hold first. An outage isn't to make duplicates of all that was being sent."""


def may_take_back() -> bool:
    """Tell whether claims that ran out are orphaned, for all we know. The sweep finds those left alone."""
    return not outages.is_recent(AFTER_OUTAGE)


def take_back(webhook_ids: Sequence[int]) -> None:
    """Make claims of these webhooks that ran out due again, each with an orphaned attempt in the log.

    It costs none of the policy's attempts, but WEBHOOKS_ORPHANED_ATTEMPTS_MAX in a row end in review. What is too old
    by now is closed instead. One transaction.
    """
    with transaction.atomic():
        rows = fetch(_SQL["take_back"], {"webhook_ids": literal(webhook_ids), "limit": CHUNK})
        if not rows:
            return
        last = Reason(ReasonCode.WORKER_DIED, {"times": settings.WEBHOOKS_ORPHANED_ATTEMPTS_MAX})
        worn_out = [row for row in rows if row.orphaned_attempts >= settings.WEBHOOKS_ORPHANED_ATTEMPTS_MAX]
        ended = {row.id for row in worn_out}
        expired = expiry.too_old(row for row in rows if row.id not in ended)
        decisions = {**expired, **dict.fromkeys(ended, last)}
        Attempt.objects.bulk_create(
            Attempt(
                delivery_id=row.id,
                webhook_id=row.webhook_id,
                number=row.attempt_count,
                result=Attempt.Result.INTERRUPTED,
                started_at=_began(row),
                error="interrupted",
                **_columns(decisions.get(row.id, Reason(ReasonCode.SENT_AGAIN))),
                url=row.url,
            )
            for row in rows
        )
        counters.add(_count(row) for row in rows)
        transaction.on_commit(lambda: meters.ATTEMPTS.add("interrupted", count=len(rows)), robust=True)
        if worn_out:
            dead_letters.give_up([DeadDelivery(row.id, last, "interrupted", None) for row in worn_out])
        expiry.cancel(expired)
        LastSent.objects.forget({row.webhook_id for row in rows if row.id in expired}, wait=False)
        groups = ordering.groups_of((row.webhook_id, row.ordering_group) for row in rows if row.id in decisions)
        transaction.on_commit(lambda: ordering.move_on(groups, wake=False), robust=True)


def paused_webhooks() -> list[int]:
    """Return the paused webhooks with claims that ran out: no claim comes by there to take them back."""
    return [row.id for row in fetch(_SQL["paused_webhooks"], {})]


def log_overtaken(delivery_ids: Sequence[int]) -> None:
    """Log the attempt under way for deliveries that a late success has just closed, and end its claim.

    Its worker finds the delivery closed, and logs the outcome if it lives to have one; if it dies, nobody would claim
    the row again to notice. Inside the recorder's transaction.
    """
    counters.add(_log_unanswered(Delivery.objects.filter(pk__in=delivery_ids), Reason(ReasonCode.DELIVERED_EARLIER)))


def log_abandoned(delivery_ids: Sequence[int], decision: Reason) -> None:
    """Log the attempt under way for those of the deliveries that are still in state `sending`, and end its claim.

    For whoever has locked them and closes them next, their claims having run out: nobody would claim them again to
    notice that they may have been sent. `decision`: why they are closed.
    """
    rows = Delivery.objects.filter(pk__in=delivery_ids, status=Delivery.Status.SENDING)
    counters.add_after_commit(_log_unanswered(rows, decision))


def _log_unanswered(deliveries: QuerySet[Delivery], decision: Reason) -> list[Count]:
    rows = list(deliveries.select_related("webhook").order_by("pk"))
    Attempt.objects.bulk_create(
        Attempt(
            delivery=row,
            webhook=row.webhook,
            number=row.attempt_count + 1,
            result=Attempt.Result.INTERRUPTED,
            started_at=_began(row),
            error="interrupted",
            **_columns(decision),
            url=row.webhook.url,
        )
        for row in rows
    )
    ended = Delivery.objects.filter(pk__in=[row.pk for row in rows])
    ended.update(claim_token=None, attempt_count=F("attempt_count") + 1)
    if rows:
        transaction.on_commit(lambda: meters.ATTEMPTS.add("interrupted", count=len(rows)), robust=True)
    return [_count(row) for row in rows]


def _count(row: Any) -> Count:
    """Count at the time that the log's line bears: whoever turns the line into an outcome takes it back there."""
    return Count(row.merchant_id, row.webhook_id, _began(row), counters.INTERRUPTED)


def _began(row: Any) -> datetime:
    return row.claimed_at or row.created_at


def _columns(decision: Reason) -> dict[str, Any]:
    code, values = reasons.columns(decision)
    return {"decision_code": code, "decision_values": values}
