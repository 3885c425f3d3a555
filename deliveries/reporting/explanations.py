"""Why an event reached a webhook, or did not: a reason for each webhook of the merchant, for desk and API alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from deliveries import reasons, sentences
from deliveries.models import Delivery, Event
from deliveries.models.events import EXPUNGED
from deliveries.queueing import ordering
from deliveries.reasons import Reason, ReasonCode
from deliveries.reporting import filter_explanations
from subscriptions import patterns
from subscriptions.models import EventType, Subscription, Webhook

WEBHOOKS_MAX: Final = 1000
"""Webhooks explained at most; those that the event went to come first."""
PATTERNS_SHOWN: Final = 5
NOT_SENT, NOT_SUBSCRIBED = "not_sent", "not_subscribed"


@dataclass(frozen=True)
class Explanation:
    """What became of the event at one webhook.

    Attributes:
        webhook: Where it went, or didn't.
        status: The delivery's; NOT_SENT or NOT_SUBSCRIBED where there never was one.
        reason: Why; None where the delivery has no reason.
        delivery: None where there never was one.
        when: The moment that the sentence ends with, if it has one.
    """

    webhook: Webhook
    status: str
    reason: Reason | None
    delivery: Delivery | None = None
    when: datetime | None = None

    @property
    def text(self) -> str:
        """Why, in a sentence."""
        row = self.delivery
        if self.reason is None:
            return (row.reason if row else "") or f"{Delivery.Status(self.status).label}."
        return sentences.sentence(
            self.reason.code,
            self.reason.values,
            status_code=row.last_status_code if row else None,
            error=row.last_error if row else "",
        )


def explain(event: Event) -> list[Explanation]:
    """Return an explanation for each webhook the merchant had or has, those the event went to first. Six queries.

    Where it didn't go is answered from the subscriptions' history, which keeps ended ones.
    """
    rows = Delivery.objects.filter(event=event).select_related("webhook").order_by("pk")[:WEBHOOKS_MAX]
    deliveries = {row.webhook_id: row for row in rows}
    ahead = ordering.all_ahead(deliveries.values())
    sent = [_sent(row.webhook, row, event, ahead.get(row.pk)) for row in deliveries.values()]
    return sent + _strangers(event, deliveries)


def _strangers(event: Event, deliveries: Collection[int]) -> list[Explanation]:
    present = Q(deleted_at=None) | Q(deleted_at__gt=event.created_at)
    others = Webhook.objects.filter(present, merchant_id=event.merchant_id).exclude(pk__in=deliveries).order_by("pk")
    webhooks = list(others[: WEBHOOKS_MAX - len(deliveries)])
    heard: dict[int, list[Subscription]] = {}
    for subscription in Subscription.objects.filter(webhook__in=[webhook.pk for webhook in webhooks]).order_by("pk"):
        heard.setdefault(subscription.webhook_id, []).append(subscription)
    entry = EventType.objects.filter(name=event.type).first()
    names = (event.type, tuple(entry.aliases) if entry else ())
    return [_not_sent(webhook, heard.get(webhook.pk, []), event, names) for webhook in webhooks]


def _sent(webhook: Webhook, delivery: Delivery, event: Event, ahead: Delivery | None) -> Explanation:
    when = None
    reason: Reason | None
    match delivery.status:
        case Delivery.Status.DELIVERED:
            is_feed = delivery.feed_position is not None
            reason = Reason(ReasonCode.FETCHED if is_feed else ReasonCode.ANSWERED_WITH_SUCCESS)
            when = delivery.last_attempt_at
        case Delivery.Status.PENDING | Delivery.Status.RETRYING:
            reason = _waiting(webhook, delivery, ahead)
            is_timed = webhook.paused_at is None and not delivery.is_held and delivery.feed_position is None
            when = delivery.due_at if is_timed else None
        case Delivery.Status.SENDING:
            reason = Reason(ReasonCode.BEING_SENT)
        case _:
            reason = _filtered(delivery, event) or reasons.stored(delivery.reason_code, delivery.reason_values)
    return Explanation(webhook, delivery.status, reason, delivery, when)


def _waiting(webhook: Webhook, delivery: Delivery, ahead: Delivery | None) -> Reason:
    if webhook.paused_at is not None:
        code = ReasonCode.PAUSED_BY_ITSELF if webhook.paused_by.startswith(reasons.AUTO_PAUSE) else ReasonCode.PAUSED
        return Reason(code, {"since": webhook.paused_at.isoformat(), "by": webhook.paused_by})
    if held := ordering.reason_held(delivery, ahead):
        return held
    if delivery.feed_position is not None:
        return Reason(ReasonCode.AWAITS_ACKNOWLEDGEMENT if delivery.feed_position else ReasonCode.AWAITS_FETCH)
    if delivery.status == Delivery.Status.PENDING:
        return Reason(ReasonCode.AWAITS_FIRST_ATTEMPT)
    if delivery.orphaned_attempts:
        return Reason(ReasonCode.AWAITS_AFTER_INTERRUPTION, {"attempt": delivery.attempt_count})
    if not delivery.last_error:  # it was skipped, cancelled or delivered before
        return Reason(ReasonCode.AWAITS_REPLAY)
    return Reason(ReasonCode.AWAITS_RETRY, {"attempt": delivery.attempt_count})


def _filtered(delivery: Delivery, event: Event) -> Reason | None:
    """Return what the filter, as it was then, asked of the event's data; None if it can't be told."""
    if delivery.reason_code != ReasonCode.FILTERED or event.data == EXPUNGED:
        return None
    expression = (delivery.reason_values or {}).get("filter", "")
    found = filter_explanations.explain(expression, event.type, event.data)
    return Reason(ReasonCode.FILTER_ASKED_FOR, {"found": found}) if found else None


def _not_sent(
    webhook: Webhook, heard: list[Subscription], event: Event, names: tuple[str, tuple[str, ...]]
) -> Explanation:
    matching = [each for each in heard if patterns.matches(each.pattern, *names)]
    if webhook.created_at > event.created_at:
        return Explanation(webhook, NOT_SENT, Reason(ReasonCode.WEBHOOK_NEWER), when=webhook.created_at)
    later = [each for each in matching if each.created_at > event.created_at and each.ended_at is None]
    if later:
        reason = Reason(ReasonCode.SUBSCRIBED_LATER, {"pattern": later[0].pattern})
        return Explanation(webhook, NOT_SENT, reason, when=later[0].created_at)
    ended = [each for each in matching if each.ended_at is not None and each.ended_at <= event.created_at]
    if ended:
        reason = Reason(ReasonCode.SUBSCRIPTION_ENDED, {"pattern": ended[-1].pattern})
        return Explanation(webhook, NOT_SENT, reason, when=ended[-1].ended_at)
    present = [each.pattern for each in heard if _listened(each, event)]
    listens = ", ".join(present[:PATTERNS_SHOWN]) + (" and others" if len(present) > PATTERNS_SHOWN else "")
    return Explanation(webhook, NOT_SUBSCRIBED, Reason(ReasonCode.NOT_SUBSCRIBED, {"patterns": listens}))


def _listened(subscription: Subscription, event: Event) -> bool:
    return subscription.created_at <= event.created_at and (
        subscription.ended_at is None or subscription.ended_at > event.created_at
    )
