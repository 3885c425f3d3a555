"""A claimed delivery that is not sent goes back as it was."""

from __future__ import annotations

import pytest

from deliveries.models import Attempt, Delivery
from deliveries.queueing import claims
from tests.support.engine import claim, claim_one, due_one, expire, reread, shift_due

pytestmark = pytest.mark.django_db


def test_a_release_gives_the_row_back_as_it_was() -> None:
    delivery = reread(due_one())
    row = claim_one(delivery)
    claims.release([row])
    stored = reread(delivery)
    assert (stored.status, stored.claim_token) == (Delivery.Status.PENDING, None)
    assert stored.due_at == delivery.due_at
    assert stored.attempt_count == 0
    assert Attempt.objects.count() == 0


def test_a_released_row_that_was_tried_before_is_retrying_again() -> None:
    delivery = due_one()
    Delivery.objects.filter(pk=delivery.pk).update(tries=1, status=Delivery.Status.RETRYING)
    claims.release([claim_one(delivery)])
    assert reread(delivery).status == Delivery.Status.RETRYING


def test_a_release_with_a_delay_is_due_only_then() -> None:
    delivery = due_one()
    claims.release([claim_one(delivery)], delay=30)
    assert claim(delivery.webhook).rows == []
    shift_due(delivery, -31)
    assert len(claim(delivery.webhook).rows) == 1


def test_a_release_under_a_stale_token_changes_nothing() -> None:
    """Promise 4: the claim token is the fence."""
    delivery = due_one()
    old = claim_one(delivery)
    expire(delivery)
    new = claim_one(delivery)
    claims.release([old])
    assert reread(delivery).claim_token == new.token != old.token
    assert reread(delivery).status == Delivery.Status.SENDING
