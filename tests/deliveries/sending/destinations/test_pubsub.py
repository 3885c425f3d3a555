"""Pub/Sub against a server that checks what Google checks of `topics.publish` (see tests.support.clouds)."""

from __future__ import annotations

import json

import jwt
import pytest

import merchant_webhooks
from deliveries.sending.destinations import pubsub as kind
from subscriptions import services
from tests.support.clouds import EMAIL, GOOGLE_KEYS, PubSub, pubsub_settings
from tests.support.factories import STANDARD_SECRET, make_webhook
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db(transaction=True)

DATA = {"order": {"id": 7, "note": "Grüße 🎉"}}


def test_a_message_carries_the_dialects_body_and_our_headers(pubsub: PubSub) -> None:
    delivery, logged = attempt(make_webhook(**pubsub_settings(pubsub.url), secret=STANDARD_SECRET), DATA)
    assert (delivery.status, logged.status_code, logged.error) == ("delivered", 200, "")
    [message] = pubsub.taken
    assert message["attributes"]["webhook-id"] == delivery.event.public_id
    merchant_webhooks.verify(message["attributes"], message["data"], STANDARD_SECRET)
    assert json.loads(message["data"])["data"] == DATA
    assert message["key"] == ""


@pytest.mark.parametrize(
    ("ordering", "resource", "key"),
    [
        ("resource", "Bestellung Nr. 7 ✓", "Bestellung Nr. 7 ✓"),
        ("resource", "", ""),
        ("webhook", "order-7", "wbh_"),
        ("none", "o", ""),
    ],
)
def test_the_ordering_key_is_the_ordering_group(pubsub: PubSub, ordering: str, resource: str, key: str) -> None:
    attempt(make_webhook(**pubsub_settings(pubsub.url), ordering=ordering), resource_id=resource)
    found = pubsub.taken[0]["key"]
    assert found == key or (key and found.startswith(key))


def test_a_revoked_key_is_told_and_not_tried_again_until_it_is_replaced(pubsub: PubSub) -> None:
    pubsub.revoked.add(GOOGLE_KEYS["private_key_id"])
    webhook = make_webhook(**pubsub_settings(pubsub.url))
    delivery, logged = attempt(webhook)
    assert (delivery.status, logged.error, logged.status_code) == ("dead", "access_denied", 401)
    assert logged.detail == (
        "Pub/Sub denied access: the service account's key was revoked, or may not publish here (UNAUTHENTICATED)."
    )
    pubsub.revoked.clear()
    services.update_webhook(webhook=webhook, credentials=GOOGLE_KEYS)
    delivery, _logged = attempt(webhook)
    assert delivery.status == "delivered"


def test_an_account_that_may_not_publish_is_told(pubsub: PubSub) -> None:
    pubsub.publishers.clear()
    delivery, logged = attempt(make_webhook(**pubsub_settings(pubsub.url)))
    assert (delivery.status, logged.error) == ("dead", "access_denied")
    assert "(PERMISSION_DENIED)" in logged.detail


def test_a_topic_that_does_not_exist_is_named(pubsub: PubSub) -> None:
    delivery, logged = attempt(make_webhook(**pubsub_settings(pubsub.url, "invoices")))
    assert (delivery.status, logged.error) == ("dead", "destination_missing")
    assert logged.detail == "There is no Pub/Sub topic invoices of project my-shop-123456 (NOT_FOUND)."


def test_no_key_and_no_token_stands_in_the_log(pubsub: PubSub) -> None:
    webhook = make_webhook(**pubsub_settings(pubsub.url))
    _delivery, logged = attempt(webhook)
    assert set(dict(logged.sent_headers)["Authorization"]) == {"•"}
    assert "eyJ" not in str(logged.__dict__)
    assert GOOGLE_KEYS["private_key_id"] not in str(webhook.__dict__)


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://pubsub.googleapis.com/v1/x", "https://pubsub.googleapis.com/"),
        ("https://europe-west1-pubsub.googleapis.com/v1/x", "https://pubsub.googleapis.com/"),
        ("https://pubsub.googleapis.com.evil.example/v1/x", "https://pubsub.googleapis.com.evil.example/"),
        ("https://evilgoogleapis.com/v1/x", "https://evilgoogleapis.com/"),
        ("http://127.0.0.1:8085/v1/x", "http://127.0.0.1:8085/"),
    ],
)
def test_a_token_opens_google_only_where_it_is_sent_to_google(url: str, audience: str) -> None:
    assert kind.audience(url) == audience


@pytest.mark.parametrize("second", [0, 1, 899, 900, 1799, 1800, 3599])
def test_a_token_is_valid_whenever_it_is_sent_and_never_for_longer_than_google_takes_it(second: int) -> None:
    now = 1_800_000_000 + second
    private_key = GOOGLE_KEYS["private_key"]
    token = kind._token(EMAIL, "kid", private_key, "https://pubsub.googleapis.com/", now // 1800)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iat"] <= now < now + 60 < claims["exp"]
    assert claims["exp"] - claims["iat"] == 3600
