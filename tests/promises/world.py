"""The product under the model: real rows in the real database. Only endpoints and the passing of time are made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F, Sum
from django.db.models.functions import Now

from deliveries.maintenance import retention
from deliveries.models import Attempt, Counter, DeadLetter, Delivery, Event, ExpungedPayload, Job, WebhookState
from deliveries.models.deliveries import HELD
from deliveries.reasons import ReasonCode
from deliveries.transport import ErrorClass
from subscriptions.models import SigningSecret, Webhook
from tests.promises.rows import Answer, Hook, Number, everything
from tests.support.aging import LONG_AGO
from tests.support.factories import STANDARD_SECRET, make_merchant, make_webhook

STEP = timedelta(seconds=1000)
"""A step of the model's time. Waits are made half a step shorter, so that what an example takes doesn't matter."""
HALF = STEP.total_seconds() / 2
ASKED = STEP.total_seconds() * 2.5
"""Seconds that an endpoint asks us to wait: due after three steps."""

EXPIRY = int(STEP.total_seconds() * 1.5)
"""Seconds after which some webhooks want nothing any more: what was published two steps ago is too old."""
OVER_ONE, LENGTHY = "data.n > `1`", "length(data.n) > `0`"
"""A filter that is false for what isn't a number, and one that can't be evaluated for what isn't text."""

KINDS: dict[str, dict[str, Any]] = {
    "usual": {"max_in_flight": 2, "retry_policy": {"delays": [HALF, 3 * HALF]}},
    "wide": {"max_in_flight": 3, "retry_policy": {"delays": [HALF, HALF, HALF]}},
    "single": {"max_in_flight": 1, "retry_policy": {"delays": []}},
    "in order": {"ordering": "webhook", "retry_policy": {"delays": [HALF]}},
    "by resource": {"ordering": "resource", "max_in_flight": 3, "retry_policy": {"delays": [HALF]}},
    "throttled": {"rate_limit": 0.01, "retry_policy": {"delays": [HALF]}},
    "filtered": {"filter": OVER_ONE, "retry_policy": {"delays": [HALF]}},
    "chosen": {"fields": ["n"], "max_in_flight": 2, "retry_policy": {"delays": [HALF, HALF]}},
    "short-lived": {"expire_after": EXPIRY, "max_in_flight": 2, "retry_policy": {"delays": [HALF, 3 * HALF]}},
    "short-lived, in order": {"expire_after": EXPIRY, "ordering": "resource", "retry_policy": {"delays": [HALF]}},
    "chosen, short-lived": {"expire_after": EXPIRY, "fields": ["n"], "retry_policy": {"delays": [HALF]}},
    "all at once": {
        "filter": LENGTHY, "fields": ["n"], "expire_after": EXPIRY, "ordering": "webhook", "rate_limit": 0.01,
        "retry_policy": {"delays": [HALF]},
    },
}  # fmt: skip
"""Settings of the webhooks that a machine begins with."""


def _over_one(number: Number) -> str:
    return "" if isinstance(number, int) and number > 1 else ReasonCode.FILTERED


def _lengthy(number: Number) -> str:
    return "" if isinstance(number, str) else ReasonCode.FILTER_NOT_EVALUATED


REFUSES = {"": everything, OVER_ONE: _over_one, LENGTHY: _lengthy}
"""What filters do."""

ANSWERS = {
    Answer("ok", delivered=True): {"status": 200},
    Answer("error"): {"status": 500},
    Answer("busy", wait=3): {"status": 503, "retry_after": ASKED},
    Answer("silent", silent=True): {"status": None},
    Answer("refused", silent=True, final=True): {
        "status": None,
        "error": ErrorClass.ADDRESS_REFUSED,
        "permanent": True,
    },
    Answer("gone", gone=True): {"status": 410},
}
"""What endpoints say, and the transport's Outcome of it."""
OK, ERROR, BUSY, SILENT, REFUSED, GONE = ANSWERS


@dataclass
class Stored:
    """All that the database holds of a merchant's events; dead letters and attempts by delivery."""

    deliveries: dict[int, Delivery]
    due: set[int]
    attempts: dict[int, list[Attempt]]
    dead_letters: dict[int, list[DeadLetter]]
    events: dict[int, Event]
    counted: dict[str, int]


class World:
    """A merchant of an example's own, with its webhooks."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.merchant = make_merchant()
        self.webhooks = {
            webhook.pk: webhook
            for kind in kinds
            for webhook in [make_webhook(self.merchant, secret=STANDARD_SECRET, name=kind, **KINDS[kind])]
        }

    def hooks(self) -> Iterator[Hook]:
        for key, webhook in self.webhooks.items():
            delays = tuple(int((delay + HALF) // STEP.total_seconds()) for delay in webhook.retry_policy["delays"])
            rate, secrets = bool(webhook.rate_limit), {STANDARD_SECRET: None}
            yield Hook(
                key, webhook.in_flight_cap, delays, rate, webhook.ordering, secrets, REFUSES[webhook.filter],
                expires=webhook.expire_after and int(webhook.expire_after // STEP.total_seconds()),
                chose=bool(webhook.fields),
            )  # fmt: skip

    def webhook(self, key: int) -> Webhook:
        """Read a webhook anew, as each request to the API does."""
        return Webhook.objects.get(pk=key)

    def keys(self, event: int) -> dict[int, int]:
        """Return the deliveries of an event by webhook."""
        return dict(Delivery.objects.filter(event_id=event).values_list("webhook_id", "pk"))

    def order(self) -> dict[int, tuple[Any, int]]:
        """Return when the open deliveries are due, the first first."""
        rows = Delivery.objects.filter(merchant=self.merchant, due_at__isnull=False)
        return {pk: (due_at, pk) for pk, due_at in rows.values_list("pk", "due_at")}

    def pass_time(self, steps: int) -> None:
        """Let time pass by moving everything back that the engine compares with its clock."""
        span, mine = STEP * steps, {"webhook__in": list(self.webhooks)}
        Delivery.objects.filter(**mine).update(created_at=F("created_at") - span)
        Delivery.objects.filter(**mine, due_at__lt=HELD).update(due_at=F("due_at") - span)
        Delivery.objects.filter(**mine, claimed_at__isnull=False).update(claimed_at=F("claimed_at") - span)
        WebhookState.objects.filter(**mine, blocked_until__isnull=False).update(blocked_until=F("blocked_until") - span)
        SigningSecret.objects.filter(**mine).update(
            expires_at=F("expires_at") - span, created_at=F("created_at") - span
        )

    def age(self, events: Collection[int]) -> None:
        """Let events be older than anything is kept, with their deliveries as far as those are closed."""
        Event.objects.filter(pk__in=events).update(created_at=F("created_at") - LONG_AGO)
        rows = Delivery.objects.filter(event_id__in=events)
        rows.update(created_at=F("created_at") - LONG_AGO)
        rows.filter(closed_at__isnull=False).update(closed_at=F("closed_at") - LONG_AGO)

    def stored(self) -> Stored:
        """Read everything."""
        deliveries = Delivery.objects.filter(merchant=self.merchant)
        found = {row.pk: row for row in deliveries}
        due = set(deliveries.filter(due_at__lte=Now()).values_list("pk", flat=True))
        attempts, dead_letters = defaultdict(list), defaultdict(list)
        for attempt in Attempt.objects.filter(webhook__in=list(self.webhooks)):
            attempts[attempt.delivery_id].append(attempt)
        for dead_letter in DeadLetter.objects.filter(merchant=self.merchant).order_by("pk"):
            dead_letters[dead_letter.delivery_id].append(dead_letter)
        events = {event.pk: event for event in Event.objects.filter(merchant=self.merchant)}
        cells = Counter.objects.filter(merchant=self.merchant).values_list("result").annotate(Sum("count")).order_by()
        return Stored(found, due, attempts, dead_letters, events, dict(cells))

    def forget(self) -> None:
        """Take the merchant and all that is its out of the database."""
        for model in (Event, Counter, ExpungedPayload, Job):
            model.objects.filter(merchant=self.merchant).delete()
        self.merchant.delete()


def purge() -> None:
    """Purge deliveries and events, as housekeeping does at night."""
    for kind in retention.kinds():
        if kind.name in {"deliveries", "events"}:
            list(retention.purge(kind))


@contextmanager
def refused(expected: bool, *errors: type[Exception]) -> Iterator[None]:
    """Expect one of `errors`, or none."""
    try:
        yield
    except errors:
        assert expected, "the product refused what the promises allow"
    else:
        assert not expected, "the product allowed what the promises refuse"
