"""Pages and files say of queues and feeds what is so: no server of the merchant's answered, no address was called."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.admin import test_send_panel as panel
from deliveries.models import Delivery
from deliveries.publishing import publish
from deliveries.recording import feed
from deliveries.transport import Outcome
from subscriptions.models import Webhook
from tests.support.clouds import sqs_settings
from tests.support.desk import Shop
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db

QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
PLACES: list[tuple[dict[str, Any], str]] = [
    (sqs_settings(QUEUE), "SQS queue orders in eu-central-1"),
    ({"kind": "pull", "url": ""}, "Feed that your program fetches"),
]


@pytest.mark.parametrize("kind", ["eventbridge", "sqs", "pubsub", "pull"])
def test_the_test_panel_speaks_of_no_server_where_there_is_none(kind: str) -> None:
    for outcome in (Outcome(200, total_ms=12.0), Outcome(200, total_ms=9000.0), Outcome(204, total_ms=1.0)):
        tone, text = panel.diagnosis(outcome, kind)
        assert (tone, "server" in text) == ("success", False)
    assert "your endpoint answered 200" in panel.diagnosis(Outcome(200, total_ms=12.0))[1]


@pytest.mark.parametrize(("settings_of", "place"), PLACES, ids=lambda each: each if isinstance(each, str) else "")
def test_the_export_names_the_place(shop: Shop, browser: Client, settings_of: dict[str, Any], place: str) -> None:
    webhook = make_webhook(shop.merchant, **settings_of)
    publish("order.created", {"n": 1}, merchant=shop.merchant)
    answer = browser.get("/admin/webhooks_deliveries/delivery/export/csv/?all=true")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["url"] for row in rows if row["webhook"] == webhook.public_id] == [place]


def page(browser: Client, model: str, pk: int) -> str:
    return browser.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()


def test_the_pages_of_a_feed_tell_its_lag_and_what_was_fetched(shop: Shop, browser: Client) -> None:
    webhook: Webhook = make_webhook(shop.merchant, kind="pull", url="")
    publish("order.created", {"n": 1}, merchant=shop.merchant)
    text = page(browser, "webhooks_subscriptions_webhook", webhook.pk)
    assert "<b>1</b> event waits to be fetched" in text
    assert "never fetched yet" in text
    assert "Addresses to allow in your firewall" not in text
    delivery = Delivery.objects.get(webhook=webhook)
    assert "waits to be fetched" in page(browser, "webhooks_deliveries_delivery", delivery.pk)
    found = feed.fetch_page(webhook, None, 10, "ada")
    assert "waits to be acknowledged" in page(browser, "webhooks_deliveries_delivery", delivery.pk)
    feed.fetch_page(webhook, found.cursor, 10, "ada")
    text = page(browser, "webhooks_deliveries_delivery", delivery.pk)
    assert "It was fetched from the feed and acknowledged by ada." in text
    assert "Copy as cURL" not in text
    assert "POST " not in text
    assert "<b>0</b> events wait" in page(browser, "webhooks_subscriptions_webhook", webhook.pk)
