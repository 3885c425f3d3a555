"""Why an event reached a webhook, or did not: one sentence for each webhook of the merchant. Four queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deliveries import ordering
from deliveries.admin import filter_words, words
from deliveries.models import Delivery, Event
from subscriptions import patterns
from subscriptions.models import EventType, Subscription, Webhook

WEBHOOKS_MAX = 1000
PATTERNS_SHOWN = 5


@dataclass
class Reason:
    """What became of the event at one webhook. `delivery` is None where there never was one."""

    webhook: Webhook
    state: str
    tone: str
    text: str
    delivery: Delivery | None = None
    when: datetime | None = None


def reasons(event: Event) -> list[Reason]:
    """Return a reason for each webhook of the event's merchant, those it went to first."""
    deliveries = {row.webhook_id: row for row in Delivery.objects.filter(event=event).order_by("pk")}
    webhooks = list(Webhook.objects.filter(merchant_id=event.merchant_id).order_by("pk")[:WEBHOOKS_MAX])
    heard: dict[int, list[Subscription]] = {}
    for subscription in Subscription.objects.filter(merchant_id=event.merchant_id):
        heard.setdefault(subscription.webhook_id, []).append(subscription)
    entry = EventType.objects.filter(name=event.type).first()
    names = (event.type, tuple(entry.aliases) if entry else ())
    ahead = ordering.all_ahead(deliveries.values())
    found = []
    for webhook in webhooks:
        if webhook.pk in deliveries:
            delivery = deliveries[webhook.pk]
            found.append(_sent(webhook, delivery, event, ahead.get(delivery.pk)))
        elif webhook.deleted_at is None or webhook.deleted_at > event.created_at:
            found.append(_not_sent(webhook, heard.get(webhook.pk, []), event, names))
    return sorted(found, key=lambda reason: reason.delivery is None)


def _sent(webhook: Webhook, delivery: Delivery, event: Event, ahead: Delivery | None) -> Reason:
    label = str(Delivery.Status(delivery.status).label)
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
            text = delivery.reason or f"{label}."
    return Reason(webhook, label, words.TONES.get(delivery.status, "default"), text, delivery, when)


def _waiting(webhook: Webhook, delivery: Delivery, ahead: Delivery | None) -> str:
    if webhook.paused_at is not None:
        who = f" by {webhook.paused_by}" if webhook.paused_by else ""
        return f"The webhook was paused on {webhook.paused_at:%-d %B}{who}; the event is sent when somebody resumes it."
    if delivery.is_held:
        return ordering.why_held(delivery, ahead)
    if delivery.status == Delivery.Status.PENDING:
        return "It waits for its first attempt."
    last = delivery.last_status_code or words.error_title(delivery.last_error).lower()
    return f"Attempt {delivery.attempt_count} failed ({last}); the next one follows."


def _skipped(webhook: Webhook, delivery: Delivery, event: Event) -> str:
    if not delivery.reason.startswith("Filtered") or not webhook.filter:
        return delivery.reason
    found = filter_words.explain(webhook.filter, event.type, event.data)
    return f"Filtered: {found}." if found else delivery.reason


def _not_sent(webhook: Webhook, heard: list[Subscription], event: Event, names: tuple[str, tuple[str, ...]]) -> Reason:
    matching = [each for each in heard if patterns.matches(each.pattern, *names)]
    if webhook.created_at > event.created_at:
        return Reason(webhook, "Not sent", "default", "The webhook was made after the event.", when=webhook.created_at)
    later = [each for each in matching if each.created_at > event.created_at and each.ended_at is None]
    if later:
        text = f"It listens to {later[0].pattern} only since after the event."
        return Reason(webhook, "Not sent", "default", text, when=later[0].created_at)
    ended = [each for each in matching if each.ended_at is not None and each.ended_at <= event.created_at]
    if ended:
        text = f"It stopped listening to {ended[-1].pattern} before the event."
        return Reason(webhook, "Not sent", "default", text, when=ended[-1].ended_at)
    present = [each.pattern for each in heard if _listened(each, event)]
    listens = ", ".join(present[:PATTERNS_SHOWN]) + (" and others" if len(present) > PATTERNS_SHOWN else "")
    return Reason(webhook, "Not subscribed", "default", f"Not subscribed: it listens to {listens or 'nothing'}.")


def _listened(subscription: Any, event: Event) -> bool:
    return subscription.created_at <= event.created_at and (
        subscription.ended_at is None or subscription.ended_at > event.created_at
    )
