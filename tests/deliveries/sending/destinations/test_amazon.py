"""EventBridge and SQS against moto's server, over our own transport: what arrives, and what refusals become."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

import merchant_webhooks
from deliveries.models import DeadLetter
from deliveries.payloads import canonical_json
from deliveries.publishing import body_sizes
from deliveries.sending import webhook_advice
from subscriptions import services
from tests.support.clouds import AWS_KEYS, Amazon, eventbridge_settings, sqs_settings
from tests.support.factories import STANDARD_SECRET, make_webhook
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db(transaction=True)

DATA = {"order": {"id": 7, "note": 'Grüße "an" \\ alle \u2028 🎉'}}


def messages(amazon: Amazon, queue: str) -> list[dict[str, Any]]:
    return [json.loads(each["Body"]) for each in amazon.taken(queue)]


# --- EventBridge --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bus", ["default", "orders"])
def test_an_event_reaches_the_bus_whole(amazon: Amazon, bus: str) -> None:
    queue = amazon.bus_into(bus, "copy")
    webhook = make_webhook(**eventbridge_settings(amazon.url, bus, source="com.example.shop"))
    delivery, logged = attempt(webhook, DATA)
    assert (delivery.status, logged.status_code, logged.error) == ("delivered", 200, "")
    [event] = messages(amazon, queue)
    assert (event["source"], event["detail-type"]) == ("com.example.shop", "order.created")
    detail = event["detail"]
    assert detail["id"] == delivery.event.public_id
    assert (detail["type"], detail["data"]) == ("order.created", DATA)
    assert datetime.fromisoformat(event["time"]) == delivery.event.occurred_at.replace(microsecond=0)


def test_amazon_accepts_our_signature_and_policy(amazon: Amazon) -> None:
    settings = eventbridge_settings(amazon.url) | {"credentials": amazon.key("events:PutEvents")}
    amazon.guard()
    delivery, _logged = attempt(make_webhook(**settings))
    assert delivery.status == "delivered"


def strangers_key(_amazon: Amazon) -> dict[str, str]:
    return AWS_KEYS


def wrong_secret(amazon: Amazon) -> dict[str, str]:
    return amazon.key("events:*", "sqs:*") | {"secret_access_key": AWS_KEYS["secret_access_key"]}


def without_rights(amazon: Amazon) -> dict[str, str]:
    return amazon.key()


def revoked(amazon: Amazon) -> dict[str, str]:
    key = amazon.key("events:*", "sqs:*")
    user = amazon.iam.get_access_key_last_used(AccessKeyId=key["access_key_id"])["UserName"]
    amazon.iam.delete_access_key(UserName=user, AccessKeyId=key["access_key_id"])
    return key


@pytest.mark.parametrize("key", [strangers_key, wrong_secret, without_rights, revoked])
@pytest.mark.parametrize("kind", ["eventbridge", "sqs"])
def test_a_key_that_opens_nothing_is_told_and_not_tried_again(amazon: Amazon, kind: str, key: Any) -> None:
    place = eventbridge_settings(amazon.url) if kind == "eventbridge" else sqs_settings(amazon.queue("orders"))
    webhook = make_webhook(**place | {"credentials": key(amazon)})
    amazon.guard()
    delivery, logged = attempt(webhook)
    assert (delivery.status, logged.error) == ("dead", "access_denied")
    assert "denied access: the access key is unknown, off or expired, or its policy" in logged.detail
    assert "denied access. Trying again cannot help" in delivery.reason
    assert DeadLetter.objects.filter(delivery=delivery, resolved_at=None).exists()


def test_a_bus_that_does_not_exist_is_named(amazon: Amazon) -> None:
    delivery, logged = attempt(make_webhook(**eventbridge_settings(amazon.url, "nowhere")))
    assert (delivery.status, logged.error) == ("dead", "destination_missing")
    assert logged.detail == "There is no EventBridge bus nowhere in eu-central-1 (ResourceNotFoundException)."


# --- SQS ----------------------------------------------------------------------------------------------------------


def test_a_message_carries_the_dialects_body_and_our_headers(amazon: Amazon) -> None:
    queue = amazon.queue("orders")
    webhook = make_webhook(**sqs_settings(queue), secret=STANDARD_SECRET)
    delivery, logged = attempt(webhook, DATA)
    assert (delivery.status, logged.status_code) == ("delivered", 200)
    [message] = amazon.taken(queue)
    headers = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert headers["webhook-id"] == delivery.event.public_id
    assert headers["webhook-attempt"] == "1"
    merchant_webhooks.verify(headers, message["Body"].encode(), STANDARD_SECRET)
    assert canonical_json.dump(json.loads(message["Body"])["data"]) == delivery.event.data


@pytest.mark.parametrize(
    "text", ["\ufffe", "\uffff", "a\uffffb\ufffe", "\\\ufffe", "\x7f \ufffd \U0001fffe \U0010ffff", "\x01\x1f"]
)
def test_text_that_sqs_does_not_take_as_it_is_arrives_all_the_same(amazon: Amazon, text: str) -> None:
    queue = amazon.queue("orders")
    delivery, logged = attempt(make_webhook(**sqs_settings(queue), secret=STANDARD_SECRET), {"text": text})
    assert (delivery.status, logged.status_code) == ("delivered", 200), logged.detail
    [message] = amazon.taken(queue)
    assert json.loads(message["Body"])["data"] == {"text": text}
    headers = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    merchant_webhooks.verify(headers, message["Body"].encode(), STANDARD_SECRET)
    assert not {"\ufffe", "\uffff"} & set(message["Body"]), "SQS refuses these: they are no characters of XML"


def test_amazon_accepts_a_queues_signature_and_policy(amazon: Amazon) -> None:
    settings = sqs_settings(amazon.queue("orders")) | {"credentials": amazon.key("sqs:SendMessage")}
    amazon.guard()
    delivery, _logged = attempt(make_webhook(**settings))
    assert delivery.status == "delivered"


@pytest.mark.parametrize(
    ("ordering", "resource", "group"),
    [
        ("resource", "order-7", "order-7"),
        ("resource", "Bestellung Nr. 7 ✓", "2f9d"),
        ("resource", "r" * 129, "r"),
        ("webhook", "order-7", "wbh_"),
        ("none", "order-7", "evt_"),
        ("resource", "", "evt_"),
    ],
)
def test_a_fifo_queue_gets_its_groups_from_the_order_and_drops_repetitions(
    amazon: Amazon, ordering: str, resource: str, group: str
) -> None:
    queue = amazon.queue("orders.fifo", FifoQueue="true")
    webhook = make_webhook(**sqs_settings(queue), ordering=ordering)
    delivery, _logged = attempt(webhook, resource_id=resource)
    assert delivery.status == "delivered"
    [message] = amazon.taken(queue)
    assert message["Attributes"]["MessageDeduplicationId"] == delivery.event.public_id
    found = message["Attributes"]["MessageGroupId"]
    if resource.isascii() and len(resource) <= 128:
        assert found.startswith(group)
    else:
        assert len(found) == 64


def test_a_queue_that_does_not_exist_is_named(amazon: Amazon) -> None:
    url = amazon.queue("orders")
    amazon.sqs.delete_queue(QueueUrl=url)
    delivery, logged = attempt(make_webhook(**sqs_settings(url)))
    assert (delivery.status, logged.error) == ("dead", "destination_missing")
    assert logged.detail.startswith("There is no SQS queue orders in eu-central-1 (QueueDoesNotExist")


# --- both ---------------------------------------------------------------------------------------------------------


def test_the_largest_event_that_can_be_published_fits_into_a_queue(amazon: Amazon) -> None:
    queue = amazon.queue("orders")
    delivery, _logged = attempt(make_webhook(**sqs_settings(queue)), {"text": "x" * (body_sizes.longest() - 11)})
    assert delivery.status == "delivered"


def test_a_message_over_a_buss_limit_is_not_sent_and_its_fields_may_help(amazon: Amazon) -> None:
    webhook = make_webhook(**eventbridge_settings(amazon.url))
    large = {"id": 7, "text": "x" * 256 * 1024}
    assert not webhook_advice.warnings(webhook)
    delivery, logged = attempt(webhook, large)
    [warning] = webhook_advice.warnings(webhook)
    assert "Amazon EventBridge takes at most 262144. Such an event is not sent and goes to review." in warning
    assert (delivery.status, logged.error, logged.status_code) == ("dead", "too_large", None)
    assert logged.detail.endswith("EventBridge takes at most 262144. Send only some of its fields.")
    services.update_webhook(webhook=webhook, fields=["id"])
    assert not any("at most 262144" in each for each in webhook_advice.warnings(webhook))
    delivery, _logged = attempt(webhook, large)
    assert delivery.status == "delivered"


@pytest.mark.parametrize("kind", ["eventbridge", "sqs"])
def test_no_key_stands_in_the_log(amazon: Amazon, kind: str) -> None:
    place = eventbridge_settings(amazon.url) if kind == "eventbridge" else sqs_settings(amazon.queue("orders"))
    webhook = make_webhook(**place | {"credentials": AWS_KEYS | {"session_token": "FQoGZXIvYXdzEBYaD1234567890"}})
    _delivery, logged = attempt(webhook)
    shown = dict(logged.sent_headers)
    assert set(shown["Authorization"]) == set(shown["X-Amz-Security-Token"]) == {"•"}
    for secret in (*AWS_KEYS.values(), "FQoGZXIvYXdzEBYaD"):
        assert secret not in str(logged.__dict__)
        assert secret not in webhook.credentials
