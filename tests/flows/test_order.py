"""Strict order with a real worker: a resource's events one after the other, the others beside them."""

from __future__ import annotations

import pytest

from deliveries.management.receiver import Answer
from deliveries.models import Delivery
from deliveries.publishing import publish_many
from deliveries.publishing.service import NewEvent
from deliveries.review import manual_actions
from subscriptions.models import Webhook
from tests.flows.rows import delivered, statuses, wait_for_statuses
from tests.support.factories import make_webhook
from tests.support.processes import wait_for
from tests.support.receiver import Received, TestReceiver

pytestmark = pytest.mark.usefixtures("running_worker")


class Picky(TestReceiver):
    """Answers 503 to the first requests about an event, as often as `refuses` says of its mark."""

    def __init__(self, **refuses: int) -> None:
        super().__init__()
        self.refuses = refuses

    def answer(self, request, times, problem):
        mark = mark_of(request)
        if self.refuses.get(mark, 0) > 0:
            self.refuses[mark] -= 1  # one at a time: it is the only one of its line
            return Answer(503)
        return super().answer(request, times, problem)

    def marks(self, *, ok: bool = False) -> list[str]:
        return [mark_of(received) for received in self.requests if not ok or received.status == 200]


def mark_of(received: Received) -> str:
    body = received.body.decode()
    return body[body.index('"mark":"') + 8 :].split('"')[0]


def tell(merchant, *marks: str) -> None:
    """Publish one event for each mark: resource and number, such as a1."""
    events = [NewEvent("order.created", {"mark": mark}, resource_id=mark[0]) for mark in marks]
    publish_many(events, merchant=merchant)


def delivery_of(webhook: Webhook, mark: str) -> Delivery:
    return Delivery.objects.get(webhook=webhook, event__data__contains=mark)


def test_a_resources_events_wait_for_its_first_while_the_others_flow_on(merchant):
    with Picky(a1=2) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, ordering="resource", retry_policy={"delays": [1, 2]})
        tell(merchant, "a1", "b1", "a2", "b2", "a3", "b3")
        wait_for(lambda: receiver.marks(ok=True) == ["b1", "b2", "b3"], 20, "the other resource's events")
        assert set(receiver.marks()) == {"a1", "b1", "b2", "b3"}
        delivered(webhook, 6)
    sent = receiver.marks()
    assert [mark for mark in sent if mark[0] == "a"] == ["a1", "a1", "a1", "a2", "a3"]
    assert [mark for mark in sent if mark[0] == "b"] == ["b1", "b2", "b3"]


def test_a_webhook_in_order_gets_a_backlog_one_by_one(merchant):
    marks = [f"{'abc'[number % 3]}{number}" for number in range(40)]
    with Picky(a3=1) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, ordering="webhook", retry_policy={"delays": [0.2]})
        tell(merchant, *marks)
        delivered(webhook, 40, seconds=60)
    assert receiver.marks(ok=True) == marks


def test_a_dead_head_blocks_until_it_is_discarded(merchant):
    with Picky(a1=9) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, ordering="resource", retry_policy={"delays": []})
        tell(merchant, "a1", "a2", "b1", "a3")
        wait_for_statuses(webhook, {"dead": 1, "delivered": 1, "pending": 2})
        manual_actions.discard(delivery=delivery_of(webhook, "a1"), by="ada")
        wait_for_statuses(webhook, {"discarded": 1, "delivered": 3})
    assert receiver.marks(ok=True) == ["b1", "a2", "a3"]


def test_a_dead_head_that_is_replayed_is_delivered_and_then_the_others(merchant):
    with Picky(a1=1) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, ordering="resource", retry_policy={"delays": []})
        tell(merchant, "a1", "a2", "a3")
        wait_for_statuses(webhook, {"dead": 1, "pending": 2})
        manual_actions.replay(delivery=delivery_of(webhook, "a1"), by="ada")
        delivered(webhook, 3)
    assert receiver.marks(ok=True) == ["a1", "a2", "a3"]
    assert statuses(webhook) == {"delivered": 3}
