"""The rate limit of a webhook: a bucket of one second's worth, kept as a time and charged by the claim.

A test is one transaction, within which PostgreSQL's now() stands still: time passes by moving `blocked_until` back.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.contrib.postgres.functions import TransactionNow
from django.db.models import F

from deliveries.models import Delivery, WebhookState
from subscriptions.models import Webhook
from tests.support.engine import claim, due, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db

MANY = 60
"""Deliveries that stay due, more than any bucket of these tests holds."""


def limited(rate: float) -> Webhook:
    webhook = make_webhook(rate_limit=rate, max_in_flight=100)
    widen(webhook)
    due(webhook, MANY)
    return webhook


def sent(webhook: Webhook, limit: int = 1000) -> int:
    """Claim what may be sent now, make it due again, and return how many rows it were."""
    rows = claim(webhook, limit=limit).rows
    Delivery.objects.filter(pk__in=[row.delivery_id for row in rows]).update(
        status=Delivery.Status.PENDING, claim_token=None, due_at=TransactionNow() - timedelta(seconds=1)
    )
    return len(rows)


def let_pass(webhook: Webhook, seconds: float) -> None:
    WebhookState.objects.filter(webhook=webhook).update(blocked_until=F("blocked_until") - timedelta(seconds=seconds))


@pytest.mark.parametrize(("rate", "burst"), [(0.01, 1), (0.5, 1), (1, 1), (1.5, 1), (2, 2), (2.5, 2), (5, 5), (50, 50)])
def test_an_idle_webhook_may_send_one_seconds_worth_at_once(rate: float, burst: int) -> None:
    webhook = limited(rate)
    assert sent(webhook) == burst
    assert sent(webhook) == 0


def test_what_was_taken_comes_back_at_the_rate() -> None:
    webhook = limited(5)
    assert sent(webhook) == 5
    let_pass(webhook, 0.19)
    assert sent(webhook) == 0
    let_pass(webhook, 0.01)
    assert sent(webhook) == 1
    let_pass(webhook, 0.6)
    assert sent(webhook) == 3


@pytest.mark.parametrize("rate", [0.25, 1, 5, 20])
def test_an_hour_of_silence_saves_up_one_second_and_no_more(rate: float) -> None:
    webhook = limited(rate)
    first = sent(webhook)
    let_pass(webhook, 3600)
    assert sent(webhook) == first == max(1, rate)


@pytest.mark.parametrize("taken", [1, 3, 5])
def test_the_claim_says_how_long_to_wait_for_the_next_request(taken: int) -> None:
    webhook = limited(5)
    WebhookState.objects.filter(webhook=webhook).update(blocked_until=TransactionNow())  # an empty bucket but for one
    assert sent(webhook) == 1
    let_pass(webhook, taken / 5)
    assert sent(webhook) == taken
    blocked = claim(webhook)
    assert blocked.rows == []
    let_pass(webhook, 1 / 5)
    assert sent(webhook) == 1


@pytest.mark.parametrize("seed", range(12))
def test_no_stretch_of_time_sees_more_than_its_share_and_one_bucket(seed: int) -> None:
    chance = random.Random(seed)
    rate = chance.choice([0.3, 1, 2.7, 7, 20, 33.3])
    webhook = limited(rate)
    now, moments = 0.0, []
    for _ in range(12):
        pause = round(chance.uniform(0, 2 / min(rate, 2)), 3)
        let_pass(webhook, pause)
        now += pause
        moments += [now] * sent(webhook, limit=chance.choice([1, 2, 5, 50]))
    for nth, first in enumerate(moments):
        for count, last in enumerate(moments[nth:], start=1):
            assert count <= max(1.0, rate) + (last - first) * rate + 1e-6
    assert len(moments) >= min(12, now * rate) * 0.2  # and it does send
