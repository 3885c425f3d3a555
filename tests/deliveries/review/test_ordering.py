"""Strict order and what people decide: what is in review blocks its line, what is replayed takes its old place."""

from __future__ import annotations

import pytest

from deliveries.maintenance import expunging
from deliveries.models import Delivery, Event
from deliveries.queueing import ordering
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from tests.support.engine import answered, claim, expire, reread
from tests.support.ordering_groups import due_now, keys, killed, ordered, send, told

pytestmark = pytest.mark.django_db(transaction=True)

S = Delivery.Status


def test_a_dead_head_blocks_its_line_until_it_is_discarded() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    killed(webhook)
    assert reread(first).status == S.DEAD
    assert send(webhook) == []
    manual_actions.discard(delivery=reread(first), by="Ann")
    assert send(webhook) == [second.pk]


def test_a_dead_head_that_is_replayed_goes_before_those_it_blocked() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    killed(webhook)
    assert manual_actions.replay(delivery=reread(first), by="Ann").status == S.RETRYING
    assert send(webhook) == [first.pk]
    assert send(webhook) == [second.pk]


def test_a_replayed_older_delivery_goes_first_but_never_beside_one_on_its_way() -> None:
    webhook = ordered()
    first, second, third = told(webhook, "A", "A", "A")
    assert send(webhook) == [first.pk]
    [row] = claim(webhook).rows
    assert row.delivery_id == second.pk
    assert manual_actions.replay(delivery=reread(first), by="Ann").is_held
    assert claim(webhook).rows == []
    outcomes.record([answered(row)])
    assert send(webhook) == [first.pk]
    assert send(webhook) == [third.pk]


def test_an_older_replayed_one_goes_when_the_one_on_its_way_dies() -> None:
    webhook = ordered(retry_policy={"delays": []})
    first, second = told(webhook, "A", "A")
    send(webhook)
    [row] = claim(webhook).rows
    manual_actions.replay(delivery=reread(first), by="Ann")
    outcomes.record([answered(row, 500)])
    assert reread(second).status == S.DEAD
    assert send(webhook) == [first.pk]


def test_a_newer_one_that_is_replayed_waits_for_the_dead_one_before_it() -> None:
    webhook = ordered(retry_policy={"delays": []})
    dead, newer = told(webhook, "A", "A")
    send(webhook, 500)
    manual_actions.cancel(delivery=newer, by="Ann")
    replayed = manual_actions.replay(delivery=reread(newer), by="Ann")
    assert send(webhook) == []
    reason = ordering.why_held(replayed, ordering.ahead_of(replayed))
    assert reason == f"It waits in line behind {dead.public_id}, which is in review."


def test_cancelling_the_head_lets_the_next_go() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    manual_actions.cancel(delivery=reread(first), by="Ann")
    assert send(webhook) == [second.pk]


def test_a_held_delivery_can_be_cancelled_and_leaves_the_line_as_it_is() -> None:
    webhook = ordered()
    first, second, third = told(webhook, "A", "A", "A")
    manual_actions.cancel(delivery=second, by="Ann")
    assert send(webhook) == [first.pk]
    assert send(webhook) == [third.pk]


@pytest.mark.parametrize("status", [S.PENDING, S.RETRYING])
def test_retry_now_on_a_held_delivery_says_what_it_waits_for(status: str) -> None:
    webhook = ordered(retry_policy={"delays": [60]})
    first, second = told(webhook, "A", "A")
    send(webhook, 500)
    Delivery.objects.filter(pk=second.pk).update(status=status)
    with pytest.raises(manual_actions.StateConflict, match=f"in line behind {first.public_id}, which is retrying"):
        manual_actions.retry(delivery=reread(second), by="Ann")
    assert reread(second).is_held
    manual_actions.retry(delivery=reread(first), by="Ann")  # the head itself may
    assert send(webhook) == [first.pk]


def test_replaying_a_line_in_bulk_sends_it_in_its_order() -> None:
    webhook = ordered()
    deliveries = keys(told(webhook, "A", "A", "A"))
    while send(webhook):
        pass
    assert manual_actions.replay_all(Delivery.objects.filter(webhook=webhook).order_by("-pk"), by="Ann") == 3
    assert [send(webhook) for _ in range(3)] == [[pk] for pk in deliveries]


def test_a_head_whose_workers_died_too_often_blocks_its_line_like_any_dead_one() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    for _ in range(3):
        claim(webhook)
        expire(first)
    assert claim(webhook).rows == []
    assert reread(first).status == S.DEAD
    manual_actions.discard(delivery=reread(first), by="Ann")
    assert send(webhook) == [second.pk]


def test_expunging_the_events_at_the_head_lets_the_line_go_on() -> None:
    webhook = ordered(retry_policy={"delays": []})
    first, second, third = told(webhook, "A", "A", "A")
    send(webhook, 500)
    expunging.expunge(Event.objects.get(pk=first.event_id), by="Ann")  # in review
    assert due_now(webhook) == [second.pk]
    expunging.expunge(Event.objects.get(pk=second.event_id), by="Ann")  # waiting
    assert send(webhook) == [third.pk]
