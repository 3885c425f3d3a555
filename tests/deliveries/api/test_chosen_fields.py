"""`fields`: every field that an answer documents can be chosen, of every resource, and a feed gives its events."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from deliveries.models import Delivery
from subscriptions.services import NewMerchant
from tests.support.api import Client
from tests.support.feeds import Consumer, published

pytestmark = pytest.mark.django_db


def test_whatever_fields_a_resource_has_each_can_be_chosen_alone(
    api: Client, deliveries: list[Delivery], settings: Any
) -> None:
    settings.WEBHOOKS_API_RATE_MINUTE = settings.WEBHOOKS_API_RATE_HOUR = 10**6
    delivery = deliveries[0]
    places = {
        "deliveries": delivery.public_id,
        "events": delivery.event.public_id,
        "webhooks": delivery.webhook.public_id,
        "event-types": "order.created",
    }
    checked = 0
    for path, methods in yaml.safe_load(api.get("/api/schema/").content)["paths"].items():
        parameters = {each["name"] for each in methods.get("get", {}).get("parameters", ())}
        kind = path.split("/")[3] if path.count("/") > 2 else ""
        if "fields" not in parameters or ("{" in path and kind not in places):
            continue
        address = re.sub(r"\{\w+\}", places.get(kind, ""), path)
        refused = api.get(f"{address}?fields=nothing")
        names = re.findall(r"There are: (.+)\.", refused.content.decode())
        for name in names[0].split(", ") if names else []:
            answer = api.get(f"{address}?fields={name}")
            assert answer.status_code in {200, 404, 409}, (address, name, answer.content)
            checked += 1
    assert checked > 100


@pytest.mark.parametrize("fields", ["cursor", "is_paused", "results", "cursor,is_paused", "cursor,results", "cursor,"])
def test_a_feed_gives_its_events_whatever_fields_are_chosen(fields: str, shop: NewMerchant, consumer: Consumer) -> None:
    """Whoever goes on from the cursor acknowledges them."""
    ids = published(shop, 2)
    page: dict[str, Any] = consumer.ask(fields=fields)
    assert [item["event_id"] for item in page["results"]] == ids
    assert set(page["results"][0]) >= {"id", "event_id", "event", "cursor", "headers", "body"}
    assert set(page) == {*fields.rstrip(",").split(","), "results"}
