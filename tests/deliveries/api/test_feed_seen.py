"""What is seen of a feed: late commits, consumers at once, lag, explanations, tests; and nothing is stuck."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from deliveries.models import Attempt, Delivery
from deliveries.publishing import publish, publish_many
from deliveries.reporting import explanations, metrics, stuck_rows
from deliveries.review import manual_actions
from tests.support.at_once import Beside, uncommitted
from tests.support.factories import make_webhook
from tests.support.feeds import EVENT, Consumer, published

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_what_commits_late_is_given_when_it_is_there_and_never_passed_over(shop, consumer):
    def late() -> None:
        publish(EVENT, {"n": "late"}, merchant=shop.merchant, id="late")

    with uncommitted(late):
        early = published(shop, 2)
        assert consumer.fetch() == early
        assert consumer.fetch() == []
    assert consumer.fetch() == ["late"]
    assert consumer.fetch() == []
    assert Delivery.objects.filter(status="delivered").count() == 3


@pytest.mark.django_db(transaction=True)
def test_of_consumers_at_once_each_gets_the_same_and_it_is_recorded_once(shop, feed, api):
    ids = published(shop, 20)
    first, second = Consumer(feed, api), Consumer(feed, api)
    works: list[Callable[[], Any]] = [lambda: first.fetch(limit=20), lambda: second.fetch(limit=20)]
    assert [beside.join() for beside in [Beside(work) for work in works]] == [ids, ids]
    for beside in [Beside(work) for work in works * 3]:
        beside.join()
    assert Attempt.objects.count() == 20
    assert not Delivery.objects.exclude(status="delivered", attempt_count=1).exists()


def test_the_lag_is_told_by_api_and_metrics(shop, feed, consumer, api):
    stats = f"/api/v1/webhooks/{feed.public_id}/stats"
    assert api.get(stats).json()["feed"] == {"unacknowledged": 0, "oldest_at": None, "asked_at": None}
    published(shop, 3)
    consumer.fetch(limit=1)
    consumer.fetch(limit=1)
    lag = api.get(stats).json()["feed"]
    oldest = Delivery.objects.filter(status="pending").earliest("due_at").due_at
    assert (lag["unacknowledged"], lag["oldest_at"]) == (2, oldest.isoformat().replace("+00:00", "Z"))
    assert lag["asked_at"] >= lag["oldest_at"]
    Delivery.objects.filter(status="pending").update(due_at=timezone.now() - timedelta(seconds=100))
    text = metrics.exposition().decode()
    assert "webhooks_feed_unacknowledged 2.0" in text
    seconds = text.partition("\nwebhooks_feed_oldest_unacknowledged_seconds ")[2].partition("\n")[0]
    assert 100 <= float(seconds) < 160
    assert "webhooks_oldest_due_seconds 0.0" in text, "no worker is late"
    assert api.get(f"/api/v1/webhooks/{make_webhook(shop.merchant).public_id}/stats").json()["feed"] is None


def test_an_explanation_says_where_it_stands(shop, feed, consumer):
    published(shop, 1)

    def told() -> str:
        delivery = Delivery.objects.select_related("event").get()
        [explanation] = explanations.explain(delivery.event)
        return explanation.text

    assert told() == "It waits in the feed to be fetched."
    consumer.fetch()
    assert told() == "It was fetched from the feed; the next request with a cursor behind it acknowledges it."
    consumer.fetch()
    assert told() == "Delivered; it was fetched from the feed and acknowledged."
    manual_actions.replay(delivery=Delivery.objects.get(), by="test")
    assert told() == "It waits in the feed to be fetched."


def test_nothing_of_a_feed_is_stuck_or_overdue(shop, consumer):
    publish_many([{"event": EVENT, "data": {"n": n}} for n in range(5)], merchant=shop.merchant)
    consumer.fetch(limit=2)
    Delivery.objects.update(due_at=F("due_at") - timedelta(days=1))
    assert [stuck for stuck in stuck_rows.look() if stuck.keys] == []


def test_a_test_send_waits_in_the_feed_marked_and_acknowledges_nothing(shop, feed, consumer, api):
    [event] = published(shop, 1)
    told = api.post(f"/api/v1/webhooks/{feed.public_id}/test", {"event": "order.paid"}).json()
    assert told["delivered"] is False
    assert told["verdict"] == "The sample waits in the feed for 10 minutes, marked as a test: the next request gets it."
    page = consumer.ask()
    [sample, item] = page["results"]
    assert (sample["id"], sample["event"], sample["headers"]["webhook-test"]) == (None, "order.paid", "true")
    assert item["event_id"] == event
    consumer.cursor = sample["cursor"]
    assert consumer.fetch() == [event], "a sample comes once, and its cursor acknowledges nothing"
    assert Delivery.objects.get().status == "pending"
