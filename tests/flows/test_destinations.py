"""Queues with a real worker: events arrive, in order where asked for, and faults take the ways of any webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.models import DeadLetter
from deliveries.publishing import publish, publish_many
from deliveries.publishing.service import NewEvent
from deliveries.review import manual_actions
from tests.flows.rows import delivered, wait_for_statuses
from tests.support import clouds
from tests.support.clouds import AWS_KEYS, EMAIL, Amazon, PubSub, eventbridge_settings, pubsub_settings, sqs_settings
from tests.support.factories import make_webhook

pytestmark = pytest.mark.usefixtures("running_worker")


@pytest.fixture(scope="module")
def amazon() -> Iterator[Amazon]:
    with clouds.amazon() as running:
        yield running


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    with clouds.pubsub() as running:
        yield running


def test_an_event_reaches_every_kind_of_queue_once(merchant: Any, amazon: Amazon, pubsub: PubSub) -> None:
    copy = amazon.bus_into("orders", "copy")
    queue = amazon.queue("plain")
    webhooks = [
        make_webhook(merchant, **settings)
        for settings in (eventbridge_settings(amazon.url, "orders"), sqs_settings(queue), pubsub_settings(pubsub.url))
    ]
    event = publish("order.created", {"order": {"id": 7}}, merchant=merchant)
    for webhook in webhooks:
        delivered(webhook)
    [on_bus], [in_queue], [in_topic] = amazon.taken(copy), amazon.taken(queue), pubsub.taken
    assert json.loads(on_bus["Body"])["detail"]["id"] == event.public_id
    assert in_queue["MessageAttributes"]["webhook-id"]["StringValue"] == event.public_id
    assert in_topic["attributes"]["webhook-id"] == event.public_id


def test_a_fifo_queue_holds_a_resources_events_in_the_order_they_were_published(merchant: Any, amazon: Amazon) -> None:
    queue = amazon.queue("orders.fifo", FifoQueue="true")
    webhook = make_webhook(merchant, **sqs_settings(queue), ordering="resource")
    publish_many([NewEvent("order.created", {"n": n}, resource_id="order-7") for n in range(10)], merchant=merchant)
    delivered(webhook, 10)
    assert [json.loads(each["Body"])["data"]["n"] for each in amazon.taken(queue)] == list(range(10))


def test_a_denied_topic_waits_in_review_and_is_replayed_once_it_is_allowed(merchant: Any, pubsub: PubSub) -> None:
    pubsub.publishers.clear()
    webhook = make_webhook(merchant, **pubsub_settings(pubsub.url))
    publish("order.created", {"n": 1}, merchant=merchant)
    wait_for_statuses(webhook, {"dead": 1})
    dead_letter = DeadLetter.objects.get(webhook=webhook, resolved_at=None)
    assert "denied access. Trying again cannot help" in dead_letter.reason
    pubsub.publishers.add(EMAIL)
    manual_actions.replay(delivery=dead_letter.delivery, by="somebody")
    delivered(webhook)
    assert len(pubsub.taken) == 1


def test_a_queue_that_is_made_after_its_webhook_gets_what_waited(merchant: Any, amazon: Amazon) -> None:
    webhook = make_webhook(merchant, **eventbridge_settings(amazon.url, "later") | {"credentials": AWS_KEYS})
    publish("order.created", {"n": 1}, merchant=merchant)
    wait_for_statuses(webhook, {"dead": 1})
    copy = amazon.bus_into("later", "later-copy")
    manual_actions.replay(delivery=DeadLetter.objects.get(webhook=webhook).delivery, by="somebody")
    delivered(webhook)
    assert len(amazon.taken(copy)) == 1
