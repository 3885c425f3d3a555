"""Why an event reached a webhook, or did not: a sentence for each webhook of the merchant, for desk and API alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from deliveries.models import Delivery, Event
from deliveries.queueing import ordering
from deliveries.reporting import filter_explanations
from subscriptions import patterns
from subscriptions.models import EventType, Subscription, Webhook

WEBHOOKS_MAX: Final = 1000
"""Webhooks explained at most; those that the event went to come first."""
PATTERNS_SHOWN: Final = 5
NOT_SENT, NOT_SUBSCRIBED = "not_sent", "not_subscribed"


@dataclass(frozen=True)
class Reason:
    """What became of the event at one webhook.

    Attributes:
        webhook: Where it went, or didn't.
        status: The delivery's; NOT_SENT or NOT_SUBSCRIBED where there never was one.
        text: Why, in a sentence.
        delivery: None where there never was one.
        when: The moment that the sentence ends with, if it has one.
    """

    webhook: Webhook
    status: str
    text: str
    delivery: Delivery | None = None
    when: datetime | None = None


def reasons(event: Event) -> list[Reason]:
    """Return a reason for each webhook the merchant had or has, those the event went to first. Six queries.

    Where it didn't go is answered from the subscriptions' history, which keeps ended ones.
    """
    rows = Delivery.objects.filter(event=event).select_related("webhook").order_by("pk")[:WEBHOOKS_MAX]
    deliveries = {row.webhook_id: row for row in rows}
    ahead = ordering.all_ahead(deliveries.values())
    sent = [_sent(row.webhook, row, event, ahead.get(row.pk)) for row in deliveries.values()]
    return sent + _strangers(event, deliveries)


def _strangers(event: Event, deliveries: Collection[int]) -> list[Reason]:
    present = Q(deleted_at=None) | Q(deleted_at__gt=event.created_at)
    others = Webhook.objects.filter(present, merchant_id=event.merchant_id).exclude(pk__in=deliveries).order_by("pk")
    webhooks = list(others[: WEBHOOKS_MAX - len(deliveries)])
    heard: dict[int, list[Subscription]] = {}
    for subscription in Subscription.objects.filter(webhook__in=[webhook.pk for webhook in webhooks]).order_by("pk"):
        heard.setdefault(subscription.webhook_id, []).append(subscription)
    entry = EventType.objects.filter(name=event.type).first()
    names = (event.type, tuple(entry.aliases) if entry else ())
    return [_not_sent(webhook, heard.get(webhook.pk, []), event, names) for webhook in webhooks]


def _sent(webhook: Webhook, delivery: Delivery, event: Event, ahead: Delivery | None) -> Reason:
    when = None
    match delivery.status:
        case Delivery.Status.DELIVERED:
            text = f"Delivered with attempt {delivery.attempt_count}; your server answered {delivery.last_status_code}."
            when = delivery.last_attempt_at
        case Delivery.Status.PENDING | Delivery.Status.RETRYING:
            text = _waiting(webhook, delivery, ahead)
            when = delivery.due_at if webhook.paused_at is None and not delivery.is_held else None
        case Delivery.Status.SENDING:
            text = "It is being sent right now."
        case Delivery.Status.SKIPPED:
            text = _skipped(webhook, delivery, event)
        case _:
            text = delivery.reason or f"{Delivery.Status(delivery.status).label}."
    return Reason(webhook, delivery.status, text, delivery, when)


def _waiting(webhook: Webhook, delivery: Delivery, ahead: Delivery | None) -> str:
    if webhook.paused_at is not None:
        who = f" by {webhook.paused_by}" if webhook.paused_by else ""
        return f"The webhook was paused on {webhook.paused_at:%-d %B}{who}; the event is sent when somebody resumes it."
    if delivery.is_held:
        return ordering.why_held(delivery, ahead)
    if delivery.status == Delivery.Status.PENDING:
        return "It waits for its first attempt."
    last = delivery.last_status_code or delivery.last_error.replace("_", " ")
    return f"Attempt {delivery.attempt_count} failed ({last}); the next one follows."


def _skipped(webhook: Webhook, delivery: Delivery, event: Event) -> str:
    if not delivery.reason.startswith("Filtered") or not webhook.filter:
        return delivery.reason
    found = filter_explanations.explain(webhook.filter, event.type, event.data)
    return f"Filtered: {found}." if found else delivery.reason


def _not_sent(webhook: Webhook, heard: list[Subscription], event: Event, names: tuple[str, tuple[str, ...]]) -> Reason:
    matching = [each for each in heard if patterns.matches(each.pattern, *names)]
    if webhook.created_at > event.created_at:
        return Reason(webhook, NOT_SENT, "The webhook was made after the event.", when=webhook.created_at)
    later = [each for each in matching if each.created_at > event.created_at and each.ended_at is None]
    if later:
        text = f"It listens to {later[0].pattern} only since after the event."
        return Reason(webhook, NOT_SENT, text, when=later[0].created_at)
    ended = [each for each in matching if each.ended_at is not None and each.ended_at <= event.created_at]
    if ended:
        text = f"It stopped listening to {ended[-1].pattern} before the event."
        return Reason(webhook, NOT_SENT, text, when=ended[-1].ended_at)
    present = [each.pattern for each in heard if _listened(each, event)]
    listens = ", ".join(present[:PATTERNS_SHOWN]) + (" and others" if len(present) > PATTERNS_SHOWN else "")
    return Reason(webhook, NOT_SUBSCRIBED, f"Not subscribed: it listens to {listens or 'nothing'}.")


def _listened(subscription: Subscription, event: Event) -> bool:
    return subscription.created_at <= event.created_at and (
        subscription.ended_at is None or subscription.ended_at > event.created_at
    )
