from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from deliveries.models import Delivery, Event
from deliveries.publishing import publish, publish_many, service
from deliveries.publishing.service import JsonText, NewEvent
from deliveries.publishing.signals import events_published
from subscriptions import services
from tests.support.engine import EVENT, statements
from tests.support.factories import make_event_type, make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def test_when_publish_returns_event_and_deliveries_are_rows() -> None:
    """Promise 1: accepted means kept."""
    webhook = make_webhook()
    event = publish(EVENT, {"order": {"id": "1045"}}, merchant=webhook.merchant, resource_id="1045")
    assert event.public_id.startswith("evt_")
    stored = Event.objects.get(pk=event.pk)
    assert (stored.type, stored.data, stored.size) == (EVENT, '{"order":{"id":"1045"}}', 23)
    assert (stored.resource_id, stored.merchant) == ("1045", webhook.merchant)
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.webhook, delivery.status) == (stored, webhook, Delivery.Status.PENDING)
    assert delivery.due_at is not None


def test_the_event_that_publish_returns_is_the_one_in_the_database() -> None:
    event = publish(EVENT, {"a": 1}, merchant=make_merchant())
    stored = Event.objects.get(pk=event.pk)
    names = [field.attname for field in Event._meta.concrete_fields]
    assert {name: getattr(event, name) for name in names} == {name: getattr(stored, name) for name in names}
    event.save()  # it is known to be stored: no second row
    assert Event.objects.count() == 1


def test_a_merchant_may_be_named_by_its_public_id() -> None:
    merchant = make_merchant()
    assert publish(EVENT, {}, merchant=merchant.public_id).merchant_id == merchant.pk


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_leaves_nothing_and_wakes_nothing(empty_redis: Any) -> None:
    """Promise 1: the rows are in the caller's transaction, the wake-up comes after its commit."""
    webhook = make_webhook()

    class Changed(Exception):
        pass

    def order() -> None:
        with transaction.atomic():
            publish(EVENT, {}, merchant=webhook.merchant)
            assert empty_redis.keys("*") == []
            raise Changed

    with pytest.raises(Changed):
        order()
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()
    assert empty_redis.keys("*") == []


@pytest.mark.django_db(transaction=True)
def test_the_commit_wakes_the_webhooks(empty_redis: Any) -> None:
    webhook = make_webhook()
    with transaction.atomic():
        publish(EVENT, {}, merchant=webhook.merchant)
    assert empty_redis.smembers("mw:ready") == {str(webhook.pk).encode()}
    assert empty_redis.llen("deliveries") == 1


@pytest.mark.django_db(transaction=True)
def test_stored_events_are_announced_after_their_commit_and_a_receiver_that_raises_changes_nothing() -> None:
    webhook = make_webhook()
    heard: list[Any] = []

    def listen(events: Any, **_kwargs: Any) -> None:
        heard.append(([event.public_id for event in events], connection.in_atomic_block))
        raise RuntimeError("no")

    events_published.connect(listen)
    try:
        with transaction.atomic():
            stored = publish(EVENT, {}, merchant=webhook.merchant)
            assert heard == []
        with transaction.atomic():
            publish(EVENT, {}, merchant=webhook.merchant)
            transaction.set_rollback(True)
    finally:
        events_published.disconnect(listen)
    assert heard == [([stored.public_id], False)]
    assert Event.objects.get() == stored


# --- the same event twice ---------------------------------------------------------------------------------------------


def test_an_id_published_twice_is_delivered_once() -> None:
    webhook = make_webhook()
    first = publish(EVENT, {"n": 1, "m": 2}, merchant=webhook.merchant, id="order-1", resource_id="7")
    again = publish(EVENT, {"m": 2, "n": 1}, merchant=webhook.merchant, id="order-1", resource_id="7")
    assert (again.pk, again.data) == (first.pk, first.data)
    assert Delivery.objects.count() == 1


OTHER_CONTENTS: list[dict[str, Any]] = [
    {"data": {"n": 2}},
    {"data": {}},
    {"data": {"n": "1"}},
    {"data": {"n": 1, "m": None}},
    {"data": {"n": True}},
    {"data": {"n": [1]}},
    {"data": {"N": 1}},
    {"event": "order.paid"},
    {"event": "order.paid", "data": {"n": 2}},
    {"resource_id": "8"},
    {"resource_id": ""},
]


@pytest.mark.parametrize("change", OTHER_CONTENTS, ids=str)
def test_an_id_that_stands_for_another_event_is_an_error_and_swallows_nothing(change: dict[str, Any]) -> None:
    webhook = make_webhook(events=["order.*"])
    known = {"event": "order.created", "data": {"n": 1}, "id": "order-1045", "resource_id": "7"}
    publish_many([known], merchant=webhook.merchant)
    other = known | change
    with pytest.raises(service.IdTaken) as refused:
        publish(other.pop("event"), other.pop("data"), merchant=webhook.merchant, **other)
    assert "'order-1045' was published before" in refused.value.message_dict["id"][0]
    batch = [{"event": "order.paid", "data": {}}, known | change, known | {"id": "new"}]
    for events in (batch, batch[:2]):
        with pytest.raises(service.IdTaken) as refused:
            publish_many(events, merchant=webhook.merchant)
        assert list(refused.value.message_dict) == ["events.1.id"]
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 1), "a batch stores all or none"


def test_the_same_id_of_two_merchants_is_two_events() -> None:
    """Promise 8."""
    a, b = make_webhook(), make_webhook()
    publish(EVENT, {}, merchant=a.merchant, id="order-1")
    publish(EVENT, {}, merchant=b.merchant, id="order-1")
    assert Delivery.objects.count() == 2


def test_an_id_given_twice_in_one_batch_counts_once() -> None:
    webhook = make_webhook()
    items = [NewEvent(EVENT, {"n": 1}, id="a"), NewEvent(EVENT, {"n": 1}, id="a"), NewEvent(EVENT, {"n": 3}, id="b")]
    results = publish_many(items, merchant=webhook.merchant)
    assert [(each.event_id, each.deliveries, each.duplicate) for each in results] == [
        ("a", 1, False),
        ("a", 0, True),
        ("b", 1, False),
    ]
    assert sorted(Event.objects.values_list("data", flat=True)) == ['{"n":1}', '{"n":3}']


def test_an_id_given_twice_in_one_batch_with_other_content_is_an_error() -> None:
    webhook = make_webhook()
    items = [NewEvent(EVENT, {"n": 1}, id="a"), NewEvent(EVENT, {"n": 2}, id="a"), NewEvent(EVENT, {"n": 3}, id="b")]
    with pytest.raises(service.IdTaken, match="'a'"):
        publish_many(items, merchant=webhook.merchant)
    assert not Event.objects.exists()


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_an_alias_is_published_under_the_canonical_name() -> None:
    make_event_type("thing.made", aliases=["thing-made", "things-made"])
    by_alias, by_name = make_webhook(events=["things-made"]), make_webhook(events=["thing.made"])
    for webhook in (by_alias, by_name):
        assert publish("thing-made", {}, merchant=webhook.merchant).type == "thing.made"
        assert Delivery.objects.get(webhook=webhook).event_type == "thing.made"


def test_decimals_are_stored_as_strings_exactly() -> None:
    event = publish(EVENT, {"total": Decimal("49.90")}, merchant=make_merchant())
    assert event.data == '{"total":"49.90"}'


def test_json_text_is_stored_in_canonical_form() -> None:
    event = publish(EVENT, JsonText('{ "b": 1.0, "2": "\\u00e9", "1": 1e3 }'), merchant=make_merchant())
    assert event.data == '{"1":1000,"2":"é","b":1}'
    assert event.size == len(event.data.encode())


def test_the_time_it_happened_is_stored_in_utc_and_defaults_to_now() -> None:
    merchant = make_merchant()
    moment = datetime.fromisoformat("2024-01-15T16:30:00.123456+01:00")
    stored = publish(EVENT, {}, merchant=merchant, occurred_at=moment)
    assert Event.objects.get(pk=stored.pk).occurred_at == datetime(2024, 1, 15, 15, 30, 0, 123456, tzinfo=UTC)
    event = publish(EVENT, {}, merchant=merchant)
    assert abs((event.occurred_at - event.created_at).total_seconds()) < 60


def test_an_empty_batch_is_nothing_to_do() -> None:
    assert publish_many([], merchant=make_merchant()) == []


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_one_event_takes_a_handful_of_statements() -> None:
    webhook = make_webhook()
    with statements() as seen:
        publish(EVENT, {}, merchant=webhook.merchant)
    assert len(seen) <= 4, "\n".join(seen)


def test_a_thousand_events_take_as_many_statements_as_one() -> None:
    merchant = make_merchant()
    hooks = [make_webhook(merchant), make_webhook(merchant)]
    with statements() as seen:
        results = publish_many([NewEvent(EVENT, {"n": n}) for n in range(1000)], merchant=merchant)
    assert len(seen) <= 4, "\n".join(sql[:200] for sql in seen)
    assert sum(each.deliveries for each in results) == 2000
    rows = Delivery.objects.filter(webhook=hooks[0]).order_by("pk").values_list("event__data", flat=True)
    assert list(rows) == [f'{{"n":{n}}}' for n in range(1000)]  # in the order given


def test_a_new_subscription_counts_for_the_very_next_event() -> None:
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.paid"])
    publish(EVENT, {}, merchant=merchant)
    services.update_webhook(webhook=webhook, events=[EVENT])
    publish(EVENT, {}, merchant=merchant)
    publish("order.paid", {}, merchant=merchant)
    assert Delivery.objects.count() == 1
