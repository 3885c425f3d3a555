"""`capture_events()`, as a platform's own tests use it."""

from __future__ import annotations

import threading
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import TestCase

from deliveries.models import Delivery, Event
from deliveries.publishing import publish, publish_many
from deliveries.publishing.testing import capture_events
from subscriptions.matching import known_events
from subscriptions.models import Merchant
from tests.support.api import Client
from tests.support.engine import EVENT, statements
from tests.support.factories import make_api_key, make_merchant, make_webhook

in_a_transaction = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)


@in_a_transaction
def test_what_is_published_is_captured_in_order_as_receivers_will_see_it() -> None:
    webhook = make_webhook()
    make_webhook(webhook.merchant, is_enabled=False)
    with capture_events() as events:
        stored = publish(EVENT, {"total": Decimal("49.90")}, merchant=webhook.merchant, resource_id="1045")
        assert len(events) == 1  # at once, not only when the block ends
        publish_many([{"event": "order-created", "data": {"n": n}} for n in (1, 2)], merchant=webhook.merchant)
    assert [event.event for event in events] == [EVENT, "orders-created", "orders-created"]
    assert [event.data for event in events] == [{"total": "49.90"}, {"n": 1}, {"n": 2}]
    first = events[0]
    assert (first.merchant, first.resource_id, first.deliveries) == (webhook.merchant, "1045", 1)
    assert (first.id, first.occurred_at) == (stored.public_id, stored.occurred_at)


@in_a_transaction
def test_events_are_stored_as_always_and_those_outside_the_block_are_not_captured() -> None:
    webhook = make_webhook()
    publish(EVENT, {}, merchant=webhook.merchant)
    with capture_events() as events:
        publish(EVENT, {}, merchant=webhook.merchant)
    publish(EVENT, {}, merchant=webhook.merchant)
    assert len(events) == 1
    assert Event.objects.count() == Delivery.objects.filter(status="pending").count() == 3


@in_a_transaction
def test_refused_and_repeated_events_are_not_captured() -> None:
    merchant = make_merchant()
    publish(EVENT, {}, merchant=merchant, id="order-1")
    with capture_events() as events:
        publish(EVENT, {}, merchant=merchant, id="order-1")
        with pytest.raises(ValidationError):
            publish("nothing.like_it", {}, merchant=merchant)
    assert events == []


@in_a_transaction
def test_what_was_rolled_back_is_not_in_the_list() -> None:
    merchant = make_merchant()

    def order(number: int, *, works: bool) -> None:
        with transaction.atomic():
            publish(EVENT, {"n": number}, merchant=merchant, id=f"order-{number % 2}")
            if not works:
                raise IntegrityError

    with capture_events() as events:
        for number, works in ((1, False), (2, True), (3, False), (5, True)):
            try:
                order(number, works=works)
            except IntegrityError:
                assert not works
    assert [(event.id, event.data["n"]) for event in events] == [("order-0", 2), ("order-1", 5)]


@in_a_transaction
def test_the_blocks_own_exception_comes_out_and_nothing_is_captured_afterwards() -> None:
    merchant = make_merchant()
    with suppress(ZeroDivisionError), capture_events() as events:
        publish(EVENT, {}, merchant=merchant)
        raise ZeroDivisionError
    publish(EVENT, {}, merchant=merchant)
    assert len(events) == 1


@in_a_transaction
def test_blocks_may_be_nested() -> None:
    merchant = make_merchant()
    with capture_events() as outer:
        publish(EVENT, {"n": 1}, merchant=merchant)
        with capture_events() as inner:
            publish(EVENT, {"n": 2}, merchant=merchant)
    assert [event.data["n"] for event in outer] == [1, 2]
    assert [event.data["n"] for event in inner] == [2]


@in_a_transaction
def test_capturing_adds_no_statement_inside_the_block() -> None:
    merchant = make_merchant()
    known_events([EVENT])  # asked for once in a while, so not in either list
    with statements() as usual:
        publish(EVENT, {}, merchant=merchant)
    with capture_events(), statements() as captured:
        publish(EVENT, {}, merchant=merchant)
    assert len(captured) == len(usual)


@in_a_transaction
def test_events_published_over_the_api_are_captured() -> None:
    merchant = make_merchant()
    with capture_events() as events:
        answer = Client(make_api_key(merchant).text).post("/api/v1/events", {"event": EVENT, "data": {"n": 1}})
    assert answer.status_code == 201
    assert [(event.id, event.merchant) for event in events] == [(answer.json()["id"], merchant)]


@committing
def test_another_threads_events_are_captured() -> None:
    merchant = make_merchant()

    def elsewhere() -> None:
        publish(EVENT, {}, merchant=merchant)
        connection.close()

    with capture_events() as events:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert len(events) == 1


@committing
def test_a_commit_wakes_nobody_inside_the_block_or_after_it(empty_redis: Any) -> None:
    webhook = make_webhook()
    with capture_events() as events:
        publish(EVENT, {}, merchant=webhook.merchant)
    with transaction.atomic(), capture_events():
        publish(EVENT, {}, merchant=webhook.merchant)
    assert events[0].deliveries == 1
    assert empty_redis.keys("*") == []
    publish(EVENT, {}, merchant=webhook.merchant)
    assert empty_redis.smembers("mw:ready") == {str(webhook.pk).encode()}


@committing
def test_inside_an_atomic_block_that_failed_the_list_is_left_as_it_is() -> None:
    merchant = make_merchant()
    with transaction.atomic(), capture_events() as events:
        publish(EVENT, {}, merchant=merchant)
        transaction.set_rollback(True)
    assert len(events) == 1
    assert not Event.objects.exists()


class InADjangoTestCase(TestCase):
    merchant: Merchant

    @classmethod
    def setUpTestData(cls) -> None:
        cls.merchant = make_webhook().merchant

    def test_it_works_and_on_commit_callbacks_wake_nobody(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks, capture_events() as events:
            publish(EVENT, {"n": 1}, merchant=self.merchant)
        assert [(event.data, event.deliveries) for event in events] == [({"n": 1}, 1)]
        assert callbacks == []
