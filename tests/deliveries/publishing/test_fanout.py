from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import Counter, Delivery
from deliveries.publishing import publish, publish_many
from deliveries.publishing.service import NewEvent
from deliveries.reasons import ReasonCode
from subscriptions import services
from tests.support.engine import EVENT
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def _statuses(*webhooks: object) -> list[str]:
    return [Delivery.objects.get(webhook=webhook).status for webhook in webhooks]


def test_each_webhook_that_listens_gets_one_delivery_whatever_its_patterns() -> None:
    merchant = make_merchant()
    everything = make_webhook(merchant, events=["*", "order.*", EVENT])
    group, exact = make_webhook(merchant, events=["order.*"]), make_webhook(merchant, events=[EVENT])
    other = make_webhook(merchant, events=["order.paid"])
    [published] = publish_many([NewEvent(EVENT, {})], merchant=merchant)
    assert published.deliveries == 3
    assert _statuses(everything, group, exact) == ["pending"] * 3
    assert not Delivery.objects.filter(webhook=other).exists()


def test_other_merchants_webhooks_get_nothing() -> None:
    """Promise 8."""
    mine, theirs = make_webhook(), make_webhook()
    publish(EVENT, {}, merchant=mine.merchant)
    assert not Delivery.objects.filter(webhook=theirs).exists()
    assert Delivery.objects.get().merchant == mine.merchant


def test_a_disabled_webhooks_delivery_is_skipped_with_the_reason() -> None:
    """Promise 9: nothing vanishes."""
    webhook = make_webhook()
    services.disable(webhook=webhook, reason="moved house")
    [published] = publish_many([NewEvent(EVENT, {})], merchant=webhook.merchant)
    delivery = Delivery.objects.get()
    assert published.deliveries == 0
    assert (delivery.status, delivery.due_at) == (Delivery.Status.SKIPPED, None)
    assert delivery.closed_at is not None
    assert delivery.reason_code == ReasonCode.DISABLED_AT_PUBLISH
    assert delivery.reason_values == {"why": "moved house"}


def test_a_filtered_events_delivery_is_skipped_with_the_filter_and_its_result() -> None:
    """Promise 9."""
    webhook = make_webhook(filter="data.order.currency == 'EUR'")
    publish(EVENT, {"order": {"currency": "USD"}}, merchant=webhook.merchant)
    skipped = Delivery.objects.get()
    assert skipped.status == Delivery.Status.SKIPPED
    assert skipped.reason_code == ReasonCode.FILTERED
    assert skipped.reason_values == {"filter": "data.order.currency == 'EUR'", "result": "false"}
    publish(EVENT, {"order": {"currency": "EUR"}}, merchant=webhook.merchant)
    assert Delivery.objects.latest("pk").status == Delivery.Status.PENDING


def test_skipped_deliveries_are_counted_for_the_charts_once_they_are_committed(
    django_capture_on_commit_callbacks: Any,
) -> None:
    """Promise 5: the counter is everybody's, so it is not held while the publisher's transaction goes on."""
    webhook = make_webhook(filter="`false`")
    with django_capture_on_commit_callbacks(execute=True):
        publish_many([NewEvent(EVENT, {})] * 3, merchant=webhook.merchant)
        assert not Counter.objects.exists()
    assert [(cell.result, cell.count) for cell in Counter.objects.filter(webhook=webhook)] == [("skipped", 3)]


def test_a_paused_webhooks_delivery_waits() -> None:
    """Promise 9: held, not lost."""
    webhook = make_webhook()
    services.pause(webhook=webhook, by="test")
    publish(EVENT, {}, merchant=webhook.merchant)
    assert _statuses(webhook) == ["pending"]


def test_a_deleted_webhook_gets_nothing_more() -> None:
    webhook = make_webhook()
    services.delete_webhook(webhook=webhook)
    publish(EVENT, {}, merchant=webhook.merchant)
    assert not Delivery.objects.exists()


def test_a_batch_of_several_events_reaches_each_ones_listeners() -> None:
    merchant = make_merchant()
    created, paid = make_webhook(merchant, events=[EVENT]), make_webhook(merchant, events=["order.paid"])
    results = publish_many([NewEvent(EVENT, {}), NewEvent("order.paid", {}), NewEvent(EVENT, {})], merchant=merchant)
    assert [each.deliveries for each in results] == [1, 1, 1]
    assert Delivery.objects.filter(webhook=created).count() == 2
    assert Delivery.objects.filter(webhook=paid).count() == 1


@pytest.mark.django_db(transaction=True)
def test_only_webhooks_with_something_to_send_are_woken(empty_redis) -> None:  # type: ignore[no-untyped-def]
    merchant = make_merchant()
    listening, _filtered = make_webhook(merchant), make_webhook(merchant, filter="`false`")
    empty_redis.flushdb()
    publish(EVENT, {}, merchant=merchant)
    assert empty_redis.smembers("mw:ready") == {str(listening.pk).encode()}
