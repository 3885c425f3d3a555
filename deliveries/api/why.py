"""Why an event went to a webhook, or why not: an answer for each webhook the merchant had when it happened."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q

from deliveries import ordering
from deliveries.models import Delivery, Event
from subscriptions.models import Subscription, Webhook

WEBHOOKS_MAX = 500
"""Webhooks explained at most."""


def explain(event: Event) -> list[dict[str, Any]]:
    """Return an entry for each webhook: its delivery's status and reason, or that it did not subscribe at the time.

    The second is answered from the subscriptions' history, which keeps ended ones.
    """
    deliveries = list(Delivery.objects.filter(event=event).select_related("webhook").order_by("id")[:WEBHOOKS_MAX])
    ahead = ordering.all_ahead(deliveries)
    found = {delivery.webhook_id: _of_delivery(delivery, ahead.get(delivery.pk)) for delivery in deliveries}
    then = Q(created_at__lte=event.created_at)
    live = Subscription.objects.filter(then, Q(ended_at=None) | Q(ended_at__gt=event.created_at))
    others = (
        Webhook.objects.filter(Q(deleted_at=None) | Q(deleted_at__gt=event.created_at), merchant=event.merchant_id)
        .exclude(pk__in=found)
        .prefetch_related(Prefetch("subscriptions", live))
        .order_by("id")
    )
    return [*found.values(), *(_of_stranger(webhook, event) for webhook in others[: WEBHOOKS_MAX - len(found)])]


def _of_delivery(delivery: Delivery, ahead: Delivery | None) -> dict[str, Any]:
    return {
        "webhook": delivery.webhook.public_id,
        "url": delivery.webhook.url,
        "delivery": delivery.public_id,
        "status": delivery.status,
        "reason": ordering.why_held(delivery, ahead) or delivery.reason,
    }


def _of_stranger(webhook: Webhook, event: Event) -> dict[str, Any]:
    if webhook.created_at > event.created_at:
        reason = "The webhook was created after the event."
    else:
        patterns = ", ".join(subscription.pattern for subscription in webhook.subscriptions.all()) or "nothing"
        reason = f"Not subscribed to {event.type} at the time; it was subscribed to: {patterns}."
    return {
        "webhook": webhook.public_id,
        "url": webhook.url,
        "delivery": None,
        "status": "not_subscribed",
        "reason": reason,
    }
