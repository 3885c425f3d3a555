"""A claim gives merchants turns: however many webhooks and deliveries one has, the others' are in it (promise 6)."""

from __future__ import annotations

from collections import Counter

import pytest

from deliveries.models import Delivery
from deliveries.queueing import claims
from deliveries.queueing.claims import Batch
from subscriptions.models import Merchant, Webhook
from tests.support.engine import due, widen
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def _crowd(merchant: Merchant, webhooks: int, events: int) -> list[Webhook]:
    """Make webhooks with `events` due deliveries each and wide windows."""
    hooks = [make_webhook(merchant, max_in_flight=100) for _ in range(webhooks)]
    due(hooks[0], events)
    widen(*hooks)
    return hooks


def _claim(hooks: list[Webhook], *, limit: int = 1000, each: int | None = None, max_bytes: int = 4 * 1024**2) -> Batch:
    return claims.claim([webhook.pk for webhook in hooks], limit=limit, max_bytes=max_bytes, each=each)


def _merchants(batch: Batch) -> list[int]:
    return [row.webhook.merchant_id for row in batch.rows]


def test_every_merchant_has_a_first_before_any_has_a_second() -> None:
    crowd = _crowd(make_merchant(), 10, 5)
    one, other = _crowd(make_merchant(), 1, 2), _crowd(make_merchant(), 1, 1)
    batch = _claim([*crowd, *one, *other], limit=6)
    loud, second, third = crowd[0].merchant_id, one[0].merchant_id, other[0].merchant_id
    assert set(_merchants(batch)[:3]) == {loud, second, third}, "and they are sent in this order"
    assert Counter(_merchants(batch)) == {loud: 3, second: 2, third: 1}
    assert batch.full


@pytest.mark.parametrize("each", [1, 3, 7])
def test_no_merchant_gets_more_than_each_and_what_is_left_is_told(each: int) -> None:
    crowd = _crowd(make_merchant(), 5, 4)
    small = _crowd(make_merchant(), 1, 1)
    batch = _claim([*crowd, *small], each=each)
    assert Counter(_merchants(batch)) == {crowd[0].merchant_id: each, small[0].merchant_id: 1}
    assert batch.full
    assert Delivery.objects.filter(status="sending").count() == each + 1, "nothing else is held"


def test_a_claim_that_took_everything_is_not_full() -> None:
    crowd = _crowd(make_merchant(), 3, 4)
    batch = _claim(crowd, each=100)
    assert (len(batch.rows), batch.full) == (12, False)


@pytest.mark.parametrize("each", [2, 5, 8])
def test_claims_in_turn_take_everything_at_last_in_the_order_it_was_due(each: int) -> None:
    crowd = _crowd(make_merchant(), 4, 9)
    lone = _crowd(make_merchant(), 1, 30)
    taken, looks = list[tuple[int, int]](), 0
    while (batch := _claim([*crowd, *lone], each=each)).rows:
        taken += [(row.webhook.webhook_id, row.delivery_id) for row in batch.rows]
        looks += 1
        if not batch.full:
            break
    assert len(taken) == 4 * 9 + 30, f"{looks} claims"
    assert not Delivery.objects.exclude(status="sending").exists()
    for webhook in [*crowd, *lone]:
        own = [pk for webhook_id, pk in taken if webhook_id == webhook.pk]
        assert own == sorted(own)


def test_a_webhook_of_which_less_was_read_than_is_due_is_told() -> None:
    """Its merchant's other webhooks, which were to share the turn, had nothing."""
    lone = _crowd(make_merchant(), 1, 9)
    idle = [make_webhook(lone[0].merchant) for _ in range(3)]
    batch = _claim([*lone, *idle], each=8)
    assert (len(batch.rows), batch.full) == (2, True)


def test_the_bytes_of_a_claim_go_to_merchants_in_turn() -> None:
    crowd = [make_webhook(make_merchant())]
    due(crowd[0], 10, text="x" * 1000)
    widen(*crowd)
    other = _crowd(make_merchant(), 1, 1)
    batch = _claim([*crowd, *other], max_bytes=2500)
    assert Counter(_merchants(batch)) == {crowd[0].merchant_id: 2, other[0].merchant_id: 1}
    assert batch.full
