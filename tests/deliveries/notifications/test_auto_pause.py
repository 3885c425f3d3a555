"""What follows from lasting failure: webhooks are paused, and the news is published to those that ask for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import Delivery, Event, Notice, Watch, WebhookState
from deliveries.notifications import watcher
from deliveries.publishing import publish
from deliveries.recording import outcomes
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import answered, claim_one
from tests.support.factories import make_merchant, make_webhook
from tests.support.notices import AT_ONCE, answer, notices, operational

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]


# --- the automatic pause ------------------------------------------------------------------------------------------


@pytest.fixture
def lasting(settings: Any) -> Webhook:
    """A webhook that failed three times in a row, for an hour."""
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 3, 3000.0
    webhook = make_webhook()
    answer(webhook, 503, 3)
    WebhookState.objects.update(failing_since=timezone.now() - timedelta(hours=1))
    return webhook


def test_a_webhook_that_fails_for_long_is_paused_with_the_reason_and_keeps_its_deliveries(lasting):
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is not None
    assert lasting.paused_by.startswith("auto-pause: 3 failed attempts in a row since ")
    assert notices(Notice.Kind.PAUSED) == [("paused", 1)]
    assert Delivery.objects.filter(status=Delivery.Status.RETRYING).count() == 3


def test_many_failures_in_a_short_time_pause_nothing(lasting):
    WebhookState.objects.update(failing_since=timezone.now())
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None


def test_few_failures_over_a_long_time_pause_nothing(lasting):
    WebhookState.objects.update(failures=2)
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None


def test_with_no_number_set_nothing_is_ever_paused(lasting, settings):
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES = 0
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None


def test_who_resumes_it_gives_it_as_many_failures_and_as_long_again(lasting):
    watcher.look()
    services.resume(webhook=lasting, by="ada")
    watcher.look()
    answer(lasting, 503, 3)
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None, "the failures count, but not yet the time"
    Watch.objects.update(spared_at=timezone.now() - timedelta(hours=1))
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is not None
    assert notices(Notice.Kind.PAUSED) == [("paused", 2)]


# --- as events ----------------------------------------------------------------------------------------------------


def test_a_webhook_that_asks_by_name_is_sent_the_news_as_events():
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"], name="Stock", retry_policy=AT_ONCE)
    desk = make_webhook(merchant, events=["delivery.dead", "webhook.*"])
    [delivery] = answer(webhook, 500)
    watcher.look()
    assert sorted(operational(merchant)) == ["delivery.dead", "webhook.failing"]
    dead = Event.objects.get(type="delivery.dead")
    data = json.loads(dead.data)
    assert data["delivery"] == {
        "id": delivery.public_id,
        "event": "order.created",
        "event_id": delivery.event.public_id,
        "attempts": 1,
    }
    assert data["webhook"] == {"id": webhook.public_id, "name": "Stock", "host": "shop.example.com"}
    assert "answered 500" in data["reason"]
    assert dead.deliveries.get(webhook=desk).status == Delivery.Status.PENDING


def test_every_dead_letter_is_an_event_of_its_own():
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"], retry_policy=AT_ONCE)
    make_webhook(merchant, events=["delivery.dead"])
    deliveries = answer(webhook, 500, 3)
    watcher.look()
    watcher.look()
    told = [json.loads(event.data)["delivery"]["id"] for event in Event.objects.filter(type="delivery.dead")]
    assert sorted(told) == sorted(delivery.public_id for delivery in deliveries)


def test_the_star_alone_does_not_ask_for_news():
    merchant = make_merchant()
    answer(make_webhook(merchant, events=["*"], retry_policy=AT_ONCE), 500)
    watcher.look()
    assert operational(merchant) == []


def test_another_merchants_subscription_asks_for_nothing_here():
    webhook = make_webhook(events=["order.created"], retry_policy=AT_ONCE)
    make_webhook(events=["delivery.*", "webhook.*"])
    answer(webhook, 500)
    watcher.look()
    assert not Event.objects.filter(type="delivery.dead").exists()


@pytest.mark.parametrize("kind", ["webhook.failing", "webhook.recovered", "webhook.failure_rate", "webhook.disabled"])
def test_each_kind_of_news_about_a_webhook_is_published(kind):
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"])
    make_webhook(merchant, events=[kind])
    answer(webhook, 500, 20)
    watcher.look()
    answer(webhook, 200)
    watcher.look()
    answer(webhook, 410)
    watcher.look()
    assert set(operational(merchant)) == {kind}
    data = json.loads(Event.objects.get(type=kind).data) if kind != "webhook.failing" else None
    assert data is None or data["webhook"]["id"] == webhook.public_id


def test_a_pause_is_published(lasting):
    desk = make_webhook(lasting.merchant, events=["webhook.paused"])
    watcher.look()
    assert Delivery.objects.get(webhook=desk).event_type == "webhook.paused"


def test_nothing_is_published_about_deliveries_of_the_news_itself():
    """The one loop there could be: the news can't be delivered, which is news, which can't be delivered …"""
    merchant = make_merchant()
    desk = make_webhook(merchant, events=["delivery.*", "webhook.*"], retry_policy=AT_ONCE)
    publish("webhook.paused", {"webhook": {}, "reason": "x"}, merchant=merchant)
    for status in (500, 500, 500, 500, 500, 200, 500):
        delivery = Delivery.objects.filter(webhook=desk, due_at__isnull=False).order_by("pk").first()
        if delivery is None:
            event = publish("webhook.paused", {"webhook": {}, "reason": "x"}, merchant=merchant)
            delivery = event.deliveries.get()
        outcomes.record([answered(claim_one(delivery), status)])
        watcher.look()
    assert set(operational(merchant)) == {"webhook.paused"}
    assert ("dead", 6) in notices(), "people are told all the same"
    assert ("recovered", 1) in notices()


def test_a_feed_is_not_paused_by_itself(lasting):
    """Nothing is tried there from time to time that could end the pause."""
    Webhook.objects.update(kind="pull", url="")
    watcher.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None
