"""What merchants are told: which notices are written, once each, and what is published."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from deliveries import outcomes
from deliveries.models import Counter, DeadLetter, Delivery, Event, Lane, Notice, Upkeep, Watch
from deliveries.notifications import watch
from deliveries.publishing import publish
from subscriptions import services
from subscriptions.models import EventType, Webhook
from tests.engine import answered, claim_one, due_one
from tests.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db

AT_ONCE = {"delays": []}
"""A policy of one attempt: the first failure is the last."""


@pytest.fixture(autouse=True)
def _mail_at_once(settings: Any) -> None:
    settings.WEBHOOKS_NOTICE_WAIT = 0.0


def answer(webhook: Webhook, status: int | None, count: int = 1) -> list[Delivery]:
    """Let the webhook's endpoint answer this to `count` new deliveries."""
    deliveries = []
    for _ in range(count):
        delivery = due_one(webhook)
        outcomes.record([answered(claim_one(delivery), status)])
        deliveries.append(delivery)
    return deliveries


def notices(kind: Notice.Kind | None = None) -> list[tuple[str, int]]:
    rows = Notice.objects.filter(kind=kind) if kind else Notice.objects.all()
    return [(notice.kind, notice.count) for notice in rows.order_by("pk")]


def operational(merchant: Any) -> list[str]:
    names = EventType.objects.filter(source="operations").values("name")
    return list(Event.objects.filter(merchant=merchant, type__in=names).order_by("pk").values_list("type", flat=True))


# --- dead letters -----------------------------------------------------------------------------------------------


def test_a_final_failure_is_noticed_with_its_reason_and_time():
    [delivery] = answer(make_webhook(retry_policy=AT_ONCE), 500)
    watch.look()
    notice = Notice.objects.get(kind=Notice.Kind.DEAD)
    letter = DeadLetter.objects.get()
    assert (notice.webhook_id, notice.merchant_id, notice.count) == (delivery.webhook_id, delivery.merchant_id, 1)
    assert (notice.first_at, notice.last_at, notice.reason) == (letter.created_at, letter.created_at, letter.reason)
    assert notice.sent_at is None


def test_a_second_look_tells_nothing_twice():
    answer(make_webhook(retry_policy=AT_ONCE), 500)
    assert watch.look() == 2
    assert watch.look() == 0
    assert notices() == [("dead", 1), ("failing", 1)]


def test_final_failures_of_one_webhook_gather_in_one_notice_until_it_is_mailed():
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 500, 3)
    watch.look()
    answer(webhook, 502, 2)
    watch.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 5)]
    letters = DeadLetter.objects.order_by("pk")
    notice = Notice.objects.get(kind=Notice.Kind.DEAD)
    assert (notice.first_at, notice.last_at) == (letters[0].created_at, letters[4].created_at)
    assert "502" in notice.reason


def test_each_webhook_has_notices_of_its_own():
    first, second = make_webhook(retry_policy=AT_ONCE), make_webhook(retry_policy=AT_ONCE)
    answer(first, 500)
    answer(second, 500, 2)
    watch.look()
    counts = dict(Notice.objects.filter(kind=Notice.Kind.DEAD).values_list("webhook", "count"))
    assert counts == {first.pk: 1, second.pk: 2}


def test_a_letter_that_appears_below_one_that_was_seen_is_still_told():
    """Numbers are given out before the commit, so a slow transaction's letter may come late."""
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 500, 3)
    late = DeadLetter.objects.order_by("pk")[1]
    DeadLetter.objects.filter(pk=late.pk).delete()
    watch.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 2)]
    late.save(force_insert=True)
    watch.look()
    watch.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 3)]


def test_a_gap_is_forgotten_after_an_hour():
    place = Upkeep(name="notices", position=10, gaps=[[1, 5, (timezone.now() - timedelta(hours=2)).isoformat()]])
    place.save()
    watch.look()
    assert Upkeep.objects.get(name="notices").gaps == []


def test_while_another_process_looks_nothing_is_done(monkeypatch):
    answer(make_webhook(retry_policy=AT_ONCE), 500)
    monkeypatch.setattr(watch, "turn", lambda _name: None)
    assert watch.look() == 0
    assert notices() == []


# --- runs of failures -------------------------------------------------------------------------------------------


def test_the_first_failure_after_success_is_noticed_once_a_run():
    webhook = make_webhook()
    answer(webhook, 200)
    watch.look()
    assert notices() == []
    answer(webhook, 500)
    watch.look()
    answer(webhook, 500)
    watch.look()
    assert notices() == [("failing", 1)]
    assert "answered 500" in Notice.objects.get().reason


def test_recovery_is_noticed_after_a_run_worth_telling():
    webhook = make_webhook()
    answer(webhook, 500, watch.WORTH_TELLING)
    watch.look()
    answer(webhook, 200)
    watch.look()
    assert notices() == [("failing", 1), ("recovered", 1)]
    assert f"failed {watch.WORTH_TELLING} times in a row" in Notice.objects.get(kind="recovered").reason


def test_the_end_of_a_single_failure_is_no_news():
    webhook = make_webhook()
    answer(webhook, 500)
    watch.look()
    answer(webhook, 200)
    watch.look()
    assert notices() == [("failing", 1)]


def test_recovery_is_noticed_however_short_the_run_when_a_delivery_was_given_up_in_it():
    webhook = make_webhook(retry_policy=AT_ONCE)
    answer(webhook, 500)
    watch.look()
    answer(webhook, 200)
    watch.look()
    assert ("recovered", 1) in notices()


def test_a_run_that_began_after_a_success_between_two_looks_is_another_one():
    webhook = make_webhook()
    answer(webhook, 500, watch.WORTH_TELLING)
    watch.look()
    answer(webhook, 200)
    answer(webhook, 500)
    watch.look()
    assert notices() == [("failing", 2), ("recovered", 1)]
    assert Watch.objects.get().failures == 1


# --- rates ------------------------------------------------------------------------------------------------------


def test_a_high_failure_rate_is_noticed_once_until_it_falls():
    webhook = make_webhook()
    answer(webhook, 200, 8)
    answer(webhook, 500, 12)
    watch.look()
    watch.look()
    assert notices(Notice.Kind.FAILURE_RATE) == [("failure_rate", 1)]
    assert "12 of 20 attempts" in Notice.objects.get(kind="failure_rate").reason
    answer(webhook, 200, 10)
    watch.look()
    assert not Watch.objects.get().rate_is_high
    answer(webhook, 500, 8)
    watch.look()
    assert notices(Notice.Kind.FAILURE_RATE) == [("failure_rate", 2)]


def test_too_few_attempts_make_no_rate():
    answer(make_webhook(), 500, settings.WEBHOOKS_FAILURE_RATE_ATTEMPTS - 1)
    watch.look()
    assert notices(Notice.Kind.FAILURE_RATE) == []


def test_what_lies_before_the_window_does_not_count():
    answer(make_webhook(), 500, 20)
    Counter.objects.update(bucket=timezone.now() - timedelta(hours=1))
    watch.look()
    assert notices(Notice.Kind.FAILURE_RATE) == []


# --- disabled ---------------------------------------------------------------------------------------------------


def test_a_webhook_that_its_endpoint_had_disabled_is_noticed_once():
    webhook = make_webhook()
    answer(webhook, 410)
    watch.look()
    watch.look()
    assert notices(Notice.Kind.DISABLED) == [("disabled", 1)]


def test_disabling_it_oneself_is_no_news():
    webhook = make_webhook()
    answer(webhook, 200)
    services.disable(webhook=webhook, reason="moving house")
    watch.look()
    assert notices() == []


def test_disabled_again_after_being_enabled_it_is_noticed_again():
    webhook = make_webhook()
    answer(webhook, 410)
    watch.look()
    services.enable(webhook=Webhook.objects.get())
    answer(webhook, 410)
    watch.look()
    assert notices(Notice.Kind.DISABLED) == [("disabled", 2)]


# --- the automatic pause ------------------------------------------------------------------------------------------


@pytest.fixture
def lasting(settings: Any) -> Webhook:
    """A webhook that failed three times in a row, for an hour."""
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 3, 3000.0
    webhook = make_webhook()
    answer(webhook, 503, 3)
    Lane.objects.update(failing_since=timezone.now() - timedelta(hours=1))
    return webhook


def test_a_webhook_that_fails_for_long_is_paused_with_the_reason_and_keeps_its_deliveries(lasting):
    watch.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is not None
    assert lasting.paused_by.startswith("auto-pause: 3 failed attempts in a row since ")
    assert notices(Notice.Kind.PAUSED) == [("paused", 1)]
    assert Delivery.objects.filter(status=Delivery.Status.RETRYING).count() == 3


def test_many_failures_in_a_short_time_pause_nothing(lasting):
    Lane.objects.update(failing_since=timezone.now())
    watch.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None


def test_few_failures_over_a_long_time_pause_nothing(lasting):
    Lane.objects.update(failures=2)
    watch.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None


def test_with_no_number_set_nothing_is_ever_paused(lasting, settings):
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES = 0
    watch.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None


def test_who_resumes_it_gives_it_as_many_failures_and_as_long_again(lasting):
    watch.look()
    services.resume(webhook=lasting, by="ada")
    watch.look()
    answer(lasting, 503, 3)
    watch.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is None, "the failures count, but not yet the time"
    Watch.objects.update(spared_at=timezone.now() - timedelta(hours=1))
    watch.look()
    lasting.refresh_from_db()
    assert lasting.paused_at is not None
    assert notices(Notice.Kind.PAUSED) == [("paused", 2)]


# --- as events ----------------------------------------------------------------------------------------------------


def test_a_webhook_that_asks_by_name_is_sent_the_news_as_events():
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"], name="Stock", retry_policy=AT_ONCE)
    desk = make_webhook(merchant, events=["delivery.dead", "webhook.*"])
    [delivery] = answer(webhook, 500)
    watch.look()
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
    watch.look()
    watch.look()
    told = [json.loads(event.data)["delivery"]["id"] for event in Event.objects.filter(type="delivery.dead")]
    assert sorted(told) == sorted(delivery.public_id for delivery in deliveries)


def test_the_star_alone_does_not_ask_for_news():
    merchant = make_merchant()
    answer(make_webhook(merchant, events=["*"], retry_policy=AT_ONCE), 500)
    watch.look()
    assert operational(merchant) == []


def test_another_merchants_subscription_asks_for_nothing_here():
    webhook = make_webhook(events=["order.created"], retry_policy=AT_ONCE)
    make_webhook(events=["delivery.*", "webhook.*"])
    answer(webhook, 500)
    watch.look()
    assert not Event.objects.filter(type="delivery.dead").exists()


@pytest.mark.parametrize("kind", ["webhook.failing", "webhook.recovered", "webhook.failure_rate", "webhook.disabled"])
def test_each_kind_of_news_about_a_webhook_is_published(kind):
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"])
    make_webhook(merchant, events=[kind])
    answer(webhook, 500, 20)
    watch.look()
    answer(webhook, 200)
    watch.look()
    answer(webhook, 410)
    watch.look()
    assert set(operational(merchant)) == {kind}
    data = json.loads(Event.objects.get(type=kind).data) if kind != "webhook.failing" else None
    assert data is None or data["webhook"]["id"] == webhook.public_id


def test_a_pause_is_published(lasting):
    desk = make_webhook(lasting.merchant, events=["webhook.paused"])
    watch.look()
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
        watch.look()
    assert set(operational(merchant)) == {"webhook.paused"}
    assert ("dead", 6) in notices(), "people are told all the same"
    assert ("recovered", 1) in notices()
