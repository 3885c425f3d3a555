"""What pausing, disabling, deleting and 410 do to deliveries under way."""

from __future__ import annotations

import time

import pytest

from deliveries.models import DeadLetter, Delivery
from deliveries.publishing import publish
from subscriptions import services
from tests.flows.rows import attempts, delivered, statuses, wait_for_statuses
from tests.support.factories import make_webhook
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.usefixtures("running_worker")

SWEEPS = 2.5
"""Seconds in which the sweep comes by at least twice: what it would find is found by then."""
IN_A_MINUTE = {"delays": [60]}
SOON = {"delays": [1]}


def publish_one(merchant):
    return publish("order.created", {"order": {"id": "1"}}, merchant=merchant)


def test_a_paused_webhook_holds_its_deliveries_and_resume_lets_them_go(merchant):
    with TestReceiver() as receiver:
        webhook = make_webhook(merchant, url=receiver.url)
        services.pause(webhook=webhook, by="ada")
        for _ in range(3):
            publish_one(merchant)
        time.sleep(SWEEPS)
        assert receiver.requests == []
        assert statuses(webhook) == {"pending": 3}

        services.resume(webhook=webhook, by="ada")
        delivered(webhook, 3)
    assert len(receiver.requests) == 3


def test_a_retry_that_comes_due_while_the_webhook_is_paused_waits_for_resume(merchant):
    with TestReceiver(fail=1) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, retry_policy=SOON)
        publish_one(merchant)
        wait_for_statuses(webhook, {"retrying": 1})
        services.pause(webhook=webhook, by="ada")
        time.sleep(1 + SWEEPS)
        assert len(receiver.requests) == 1

        services.resume(webhook=webhook, by="ada")
        delivered(webhook)


def test_a_disabled_webhook_skips_what_was_open_and_what_comes_with_the_reason(merchant):
    with TestReceiver(fail=99) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, retry_policy=IN_A_MINUTE)
        publish_one(merchant)
        wait_for_statuses(webhook, {"retrying": 1})
        services.disable(webhook=webhook, reason="It costs too much.")
        publish_one(merchant)
        assert statuses(webhook) == {"skipped": 2}
        assert all("It costs too much." in each.reason for each in Delivery.objects.filter(webhook=webhook))

        receiver.repair()
        services.enable(webhook=webhook)
        publish_one(merchant)
        wait_for_statuses(webhook, {"skipped": 2, "delivered": 1})
    assert len(receiver.requests) == 2


def test_a_deleted_webhook_cancels_what_was_open_and_hears_of_nothing_more(merchant):
    with TestReceiver(fail=99) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, retry_policy=IN_A_MINUTE)
        publish_one(merchant)
        wait_for_statuses(webhook, {"retrying": 1})
        services.delete_webhook(webhook=webhook)
        publish_one(merchant)
        time.sleep(SWEEPS)
        assert statuses(webhook) == {"cancelled": 1}
        assert len(receiver.requests) == 1


def test_a_webhook_deleted_while_a_request_is_out_is_closed_by_its_outcome(merchant):
    with TestReceiver(fail=99, delay=1.0) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, retry_policy=SOON)
        publish_one(merchant)
        receiver.wait_for(1)
        services.delete_webhook(webhook=webhook)
        wait_for_statuses(webhook, {"cancelled": 1})
        assert len(receiver.requests) == 1
    assert [attempt.status_code for attempt in attempts(webhook)] == [503], "what was sent stays in the log"


def test_an_answer_of_410_disables_the_webhook_and_skips_the_rest(merchant):
    with TestReceiver(status=410) as receiver:
        webhook = make_webhook(merchant, url=receiver.url, max_in_flight=1)
        services.pause(webhook=webhook, by="ada")
        for _ in range(3):
            publish_one(merchant)
        services.resume(webhook=webhook, by="ada")
        wait_for_statuses(webhook, {"dead": 1, "skipped": 2})
        assert len(receiver.requests) == 1
    webhook.refresh_from_db()
    assert not webhook.is_enabled
    assert "410" in webhook.disabled_reason
    assert DeadLetter.objects.get(webhook=webhook).status_code == 410


def test_a_changed_url_counts_for_the_next_attempt(merchant):
    with TestReceiver(fail=99) as old, TestReceiver() as new:
        webhook = make_webhook(merchant, url=old.url, retry_policy=SOON)
        publish_one(merchant)
        wait_for_statuses(webhook, {"retrying": 1})
        services.update_webhook(webhook=webhook, url=new.url)
        delivered(webhook)
    assert (len(old.requests), len(new.requests)) == (1, 1)
