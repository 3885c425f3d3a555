"""What a journey looks for in the log."""

from __future__ import annotations

from collections import Counter

from django.db import connection

from deliveries.models import Attempt, Delivery
from subscriptions.models import Webhook
from tests.support.processes import wait_for


def statuses(webhook: Webhook) -> dict[str, int]:
    """Return how many deliveries of a webhook are in each state."""
    connection.close_if_unusable_or_obsolete()
    return dict(Counter(Delivery.objects.filter(webhook=webhook).values_list("status", flat=True)))


def wait_for_statuses(webhook: Webhook, wanted: dict[str, int], seconds: float = 20) -> None:
    """Wait until the webhook's deliveries are in exactly these states; fail saying in which they are."""
    try:
        wait_for(lambda: statuses(webhook) == wanted, seconds, f"{wanted}")
    except AssertionError as error:
        raise AssertionError(f"{error}; the log says {statuses(webhook)}, {errors(webhook)}") from None


def delivered(webhook: Webhook, count: int = 1, seconds: float = 20) -> list[Delivery]:
    """Wait until exactly `count` deliveries of the webhook are delivered and none is anything else; return them."""
    wait_for_statuses(webhook, {"delivered": count}, seconds)
    return list(Delivery.objects.filter(webhook=webhook).order_by("pk"))


def attempts(webhook: Webhook) -> list[Attempt]:
    """Return the webhook's attempts in the order of the log."""
    return list(Attempt.objects.filter(webhook=webhook).order_by("pk"))


def errors(webhook: Webhook) -> dict[str, int]:
    """Return the attempts of a webhook by error class, "" for the delivered."""
    return dict(Counter(Attempt.objects.filter(webhook=webhook).values_list("error", flat=True)))
