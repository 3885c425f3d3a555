"""What needs a person: the webhooks that fail now, each with the reason and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from deliveries.admin import labels, payload_display
from deliveries.models import Attempt, DeadLetter, WebhookState
from deliveries.models.attempts import DECISION_COLUMNS
from deliveries.reporting import stats
from deliveries.sentences import counted
from subscriptions.admin.scoping import only
from subscriptions.models import Webhook

SHOWN: Final = 5
"""Failing webhooks that the dashboard names, those with the most failures."""
LOOKED_AT: Final = 20
"""Webhooks among which those that fail now are looked for, and attempts among which the last failure is."""
WINDOW: Final = timedelta(days=8)
"""A webhook that fails now failed within this time: no schedule waits for longer than seven days."""
COUNTED_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a webhook: what happened, what to do about it, and the delivery whose page shows it.

    Attributes:
        said: The endpoint's own words, where its answer has some.
        remedy: Where on the webhook's page one acts on it: a link's words and its anchor.
    """

    happened: str
    said: str
    advice: str
    remedy: tuple[str, str] | None
    webhook_id: int
    attempt_id: int
    delivery_id: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A webhook that fails now. `in_review` is text that may end in a plus; empty where nothing waits."""

    webhook: Webhook
    since: datetime | None
    failures: str
    last: Failure | None
    in_review: str


def failing(merchants: list[int] | None) -> list[Failing]:
    """Return webhooks whose last attempts failed, those with the most failures first; None means every merchant's.

    Webhooks that are paused or off are not among them. Two queries, and two for each of the SHOWN.
    """
    keys = [key for key, _summary in stats.worst(window=WINDOW, merchant=merchants, limit=LOOKED_AT)]
    states = WebhookState.objects.filter(webhook__in=keys, failures__gt=0).select_related("webhook")
    running = states.filter(webhook__is_enabled=True, webhook__paused_at=None, webhook__deleted_at=None)
    found = sorted(running, key=lambda state: keys.index(state.webhook_id))[:SHOWN]
    return [
        Failing(
            webhook=state.webhook,
            since=state.failing_since,
            failures=counted(state.failures, "failure"),
            last=last_failure(state.webhook),
            in_review=in_review(state.webhook),
        )
        for state in found
    ]


def last_failure(webhook: Webhook) -> Failure | None:
    """Return the newest failure among a webhook's last attempts; None where there is none."""
    columns = ["id", "webhook_id", "delivery_id", "result", "detail", "response_body", *DECISION_COLUMNS]
    own = only(Attempt.objects.only(*columns), "webhook_id", webhook.pk).order_by("webhook_id", "-id")
    attempt = next((each for each in own[:LOOKED_AT] if each.result != Attempt.Result.DELIVERED), None)
    if attempt is None:
        return None
    happened = attempt.what_happened or attempt.decision or labels.error_title(attempt.error)
    advice = labels.advice(attempt.error, attempt.status_code)
    return Failure(
        happened=happened,
        said=payload_display.sentence_of(attempt.response_body),
        advice=advice,
        remedy=labels.remedy(attempt.error, attempt.status_code),
        webhook_id=webhook.pk,
        attempt_id=attempt.pk,
        delivery_id=attempt.delivery_id,
    )


def in_review(webhook: Webhook) -> str:
    """Return how many of a webhook's deliveries wait in the review queue; nothing where none does."""
    waiting = only(DeadLetter.objects.filter(resolved_at=None), "webhook_id", webhook.pk)
    count = waiting.order_by()[: COUNTED_MAX + 1].count()
    return f"{COUNTED_MAX:,}+" if count > COUNTED_MAX else f"{count:,}" if count else ""
