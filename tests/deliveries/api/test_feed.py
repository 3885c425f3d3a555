"""The feed of a webhook of the kind pull: each event at least once, in order, acknowledged by the next cursor."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db.models import F

import merchant_webhooks
from deliveries.models import Attempt, DeadLetter, Delivery
from deliveries.models.webhook_states import Counter
from deliveries.publishing import publish
from deliveries.queueing import claims, feeds
from deliveries.recording import feed as feed_recording
from deliveries.review import manual_actions
from subscriptions import services
from subscriptions.models import ApiKey
from subscriptions.services import NewMerchant
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET
from tests.support.feeds import EVENT, Consumer, make_feed, published

pytestmark = pytest.mark.django_db


def test_events_come_in_order_and_each_once_to_who_goes_on_from_the_cursor(shop, consumer):
    ids = published(shop, 5)
    assert consumer.fetch(limit=2) == ids[:2]
    assert consumer.fetch(limit=2) == ids[2:4]
    assert consumer.fetch(limit=2) == ids[4:]
    assert consumer.fetch(limit=2) == []


def test_what_was_not_acknowledged_comes_again(shop, consumer):
    ids = published(shop, 3)
    for _ in range(3):
        assert [item["event_id"] for item in consumer.ask()["results"]] == ids
    assert consumer.fetch() == ids
    assert consumer.fetch() == []


def test_the_next_cursor_acknowledges_and_the_log_says_so(shop, feed, consumer, api):
    [first, second] = published(shop, 2)
    consumer.fetch(limit=1)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"pending"}
    consumer.fetch(limit=1)
    delivery = Delivery.objects.get(event__public_id=first)
    assert (delivery.status, delivery.attempt_count, delivery.last_status_code) == ("delivered", 1, 200)
    assert delivery.closed_at is not None
    assert delivery.claim_token is None
    assert Delivery.objects.get(event__public_id=second).status == "pending"
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.result) == (1, "delivered")
    assert attempt.decision == f"It was fetched from the feed and acknowledged by {_by(shop)}."
    assert attempt.started_at <= attempt.answered_at
    assert {(cell.result, cell.count) for cell in Counter.objects.all()} == {("delivered", 1)}
    state = feed.state
    assert (state.failures, state.last_success_at, state.feed_acknowledged) == (0, attempt.answered_at, 1)
    shown = api.get(f"/api/v1/deliveries/{delivery.public_id}").json()
    assert (shown["status"], len(shown["attempts"])) == ("delivered", 1)


def _by(shop: NewMerchant) -> str:
    return f"API key {ApiKey.objects.get(merchant=shop.merchant).prefix}…"


def test_the_cursor_of_an_event_acknowledges_it_and_all_before_it(shop, consumer):
    ids = published(shop, 3)
    consumer.cursor = consumer.ask()["results"][1]["cursor"]
    assert consumer.fetch() == ids[2:]
    assert Delivery.objects.filter(status="delivered").count() == 2


def test_acknowledging_twice_records_once(shop, consumer):
    published(shop, 3)
    consumer.fetch()
    for _ in range(3):
        consumer.ask()
    assert Attempt.objects.count() == 3


def test_an_older_cursor_gives_what_followed_on_it_once_more(shop, consumer):
    ids = published(shop, 4)
    consumer.fetch(limit=1)
    before = consumer.cursor
    consumer.fetch()
    consumer.fetch()
    assert consumer.ask()["results"] == []
    assert [item["event_id"] for item in consumer.ask(after=before)["results"]] == ids[1:]
    assert Attempt.objects.count() == 4, "what is read once more is not recorded once more"


def test_a_new_consumer_begins_with_the_oldest_that_was_not_acknowledged(shop, feed, consumer, api):
    ids = published(shop, 4)
    consumer.fetch(limit=2)
    consumer.fetch(limit=2)
    assert Consumer(feed, api).fetch() == ids[2:]


def test_a_feed_gets_only_what_it_listens_to_and_what_its_filter_passes(shop, api):
    webhook = make_feed(shop, events=["order.*"], filter="data.n > `0`", fields=["n"])
    publish("download.accessed", {"n": 1}, merchant=shop.merchant)
    publish(EVENT, {"n": 0}, merchant=shop.merchant)
    wanted = publish(EVENT, {"n": 1, "more": True}, merchant=shop.merchant)
    [item] = Consumer(webhook, api).ask()["results"]
    assert item["event_id"] == wanted.public_id
    assert json.loads(item["body"])["data"] == {"n": 1}
    skipped = Delivery.objects.get(status="skipped")
    assert skipped.feed_position == 0


DIALECTS = {
    "alva": PLAIN_SECRET, "litestore": PLAIN_SECRET, "cryptlex": PLAIN_SECRET, "shopery": PLAIN_SECRET,
    "standard": STANDARD_SECRET,
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_message_is_what_an_endpoint_would_have_received(shop, api, dialect):
    webhook = make_feed(shop, dialect=dialect, secret=DIALECTS[dialect], headers={"X-Shop": "42"})
    publish(EVENT, {"name": "Žluťoučký 🐎", "total": 49.5}, merchant=shop.merchant)
    [item] = Consumer(webhook, api).ask()["results"]
    assert item["headers"]["X-Shop"] == "42"
    assert item["headers"]["webhook-id"] == item["event_id"]
    merchant_webhooks.verify(item["headers"], item["body"].encode(), DIALECTS[dialect], dialect)


def test_the_dispatcher_leaves_a_feed_alone(shop, feed):
    published(shop, 3)
    assert claims.due_webhooks() == ([], [])
    assert claims.claim([feed.pk], limit=10, max_bytes=10**6).rows == []
    assert set(Delivery.objects.values_list("status", "feed_position")) == {("pending", 0)}


def test_a_replayed_delivery_appears_behind_all_that_was_given(shop, consumer):
    ids = published(shop, 3)
    consumer.fetch()
    consumer.fetch()
    manual_actions.replay(delivery=Delivery.objects.get(event__public_id=ids[0]), by="test")
    [later] = published(shop, 1)
    assert consumer.fetch() == [ids[0], later]
    consumer.fetch()
    delivery = Delivery.objects.get(event__public_id=ids[0])
    assert (delivery.status, delivery.attempt_count, delivery.replays) == ("delivered", 2, 1)


def test_a_skipped_delivery_that_is_replayed_appears(shop, api):
    webhook = make_feed(shop, filter="data.n > `0`")
    [skipped] = published(shop, 1)
    manual_actions.replay(delivery=Delivery.objects.get(webhook=webhook), by="test")
    assert Consumer(webhook, api).fetch() == [skipped]


def test_a_cancelled_delivery_does_not_appear_and_its_place_is_passed(shop, consumer):
    ids = published(shop, 4)
    manual_actions.cancel(delivery=Delivery.objects.get(event__public_id=ids[0]), by="test")
    assert consumer.fetch(limit=2) == ids[1:3]
    manual_actions.cancel(delivery=Delivery.objects.get(event__public_id=ids[2]), by="test")
    assert consumer.fetch() == ids[3:]
    consumer.fetch()
    statuses = dict(Delivery.objects.values_list("event__public_id", "status"))
    assert [statuses[each] for each in ids] == ["cancelled", "delivered", "cancelled", "delivered"]


def test_a_paused_feed_gives_nothing_takes_acknowledgements_and_goes_on_when_resumed(shop, feed, consumer):
    ids = published(shop, 2)
    consumer.fetch(limit=1)
    services.pause(webhook=feed, by="test")
    page = consumer.ask()
    assert (page["results"], page["is_paused"]) == ([], True)
    assert Delivery.objects.filter(status="delivered").count() == 1
    services.resume(webhook=feed, by="test")
    assert consumer.fetch() == ids[1:]


def test_a_disabled_feed_says_so_and_skips(shop, feed, consumer):
    published(shop, 1)
    services.disable(webhook=feed, reason="Too many events.")
    answer = consumer.api.get(consumer.path)
    assert answer.status_code == 409
    assert "disabled (Too many events)" in answer.json()["errors"][0]["detail"]
    assert Delivery.objects.get().status == "skipped"
    services.enable(webhook=feed)
    [later] = published(shop, 1)
    assert consumer.fetch() == [later]


def test_a_deleted_feed_is_gone_and_what_waited_is_cancelled(shop, feed, consumer):
    published(shop, 1)
    services.delete_webhook(webhook=feed)
    assert consumer.api.get(consumer.path).status_code == 404
    assert Delivery.objects.get().status == "cancelled"


@pytest.mark.parametrize("away", [0, 3], ids=["who asks late", "nobody asks"])
def test_what_is_too_old_is_cancelled_whether_or_not_somebody_asks(shop, api, away):
    webhook = make_feed(shop, expire_after=60)
    [old] = published(shop, 1)
    hour = timedelta(hours=1)
    Delivery.objects.update(created_at=F("created_at") - hour, due_at=F("due_at") - hour)
    [young] = published(shop, 1)
    if away:
        feeds.expire()
        assert Delivery.objects.get(event__public_id=old).status == "cancelled"
    assert Consumer(webhook, api).fetch() == [young]
    assert Delivery.objects.get(event__public_id=old).reason_code == "expired"


def test_a_message_that_cannot_be_made_goes_to_review_and_holds_up_nobody(shop, consumer, settings):
    [large] = [publish(EVENT, {"text": "x" * 5000}, merchant=shop.merchant).public_id]
    [small] = published(shop, 1)
    settings.WEBHOOKS_BODY_MAX = 1000
    assert consumer.fetch() == [small]
    dead = DeadLetter.objects.get()
    assert dead.delivery.event.public_id == large
    assert "the body has" in Attempt.objects.get().detail
    settings.WEBHOOKS_BODY_MAX = 10_000
    manual_actions.replay(delivery=dead.delivery, by="test")
    assert consumer.fetch() == [large]


def test_a_page_holds_no_more_than_its_bytes(shop, consumer, monkeypatch):
    monkeypatch.setattr(feeds, "PAGE_BYTES", 2500)
    ids = published(shop, 5, text="x" * 1000)
    assert [consumer.fetch() for _ in range(4)] == [ids[:2], ids[2:4], ids[4:], []]
    monkeypatch.setattr(feeds, "PAGE_BYTES", 10)
    ids = published(shop, 2)
    assert [consumer.fetch() for _ in range(3)] == [ids[:1], ids[1:], []]


def test_a_fault_of_ours_keeps_the_event_and_what_follows_until_it_has_passed(shop, consumer, monkeypatch):
    """A key that is missing for an hour would else send a whole backlog to review, a page a request."""
    ids = published(shop, 4)
    real = feed_recording.render

    def fails_at_the_third(row, *more):
        if row.event_id == ids[2]:
            raise RuntimeError("The key is not there.")
        return real(row, *more)

    with monkeypatch.context() as patched:
        patched.setattr(feed_recording, "render", fails_at_the_third)
        assert consumer.fetch() == ids[:2]
        assert consumer.fetch() == consumer.fetch() == []
    assert not DeadLetter.objects.exists()
    assert consumer.fetch() == ids[2:]


def test_an_event_that_no_message_can_be_made_of_holds_nobody_up(shop, consumer, monkeypatch):
    ids = published(shop, 3)
    real = feed_recording.render

    def refuses_the_second(row, *more):
        if row.event_id == ids[1]:
            raise ValueError("It has no shape.")
        return real(row, *more)

    monkeypatch.setattr(feed_recording, "render", refuses_the_second)
    assert consumer.fetch() == [ids[0], ids[2]]
    assert consumer.fetch() == []
    assert DeadLetter.objects.get().delivery.event.public_id == ids[1]


def test_too_old_events_are_closed_in_slices(shop, feed, settings):
    """On the scheduler's thread, whose heartbeat must not wait for a long backlog."""
    settings.WEBHOOKS_EXPIRE_AFTER = 3600.0
    other = make_feed(shop)
    published(shop, 2)
    day = timedelta(days=1)
    Delivery.objects.update(created_at=F("created_at") - day, due_at=F("due_at") - day)
    feeds.expire(seconds=0.0)
    assert set(Delivery.objects.filter(status="cancelled").values_list("webhook_id", flat=True)) < {feed.pk, other.pk}
    feeds.expire()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}
